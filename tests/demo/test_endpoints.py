"""The page's functions for programs: named and typed, streaming, many callers at once, each with their own face."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from llava_faba.data.prompts import QUESTIONS
from tests.conftest import shared_path

pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")
from gradio_client import Client, handle_file

from llava_faba.demo.photo_faces import see_faces
from llava_faba.demo.photo_tab import EXAMPLE
from llava_faba.face.images import read_image
from llava_faba.faces import Turn


def client(address: str) -> Client:
    return Client(address, verbose=False, analytics_enabled=False)


def alone(service, path, question, earlier=()) -> str:
    """The same question, asked with nobody else around."""
    return list(service.answer(see_faces(read_image(path))[0], question, earlier))[-1]


def test_the_endpoints_are_named_typed_and_documented(address):
    named = client(address).view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/faces", "/describe", "/ask"}
    assert [parameter["parameter_name"] for parameter in named["/ask"]["parameters"]] == [
        "photo",
        "question",
        "face",
        "history",
    ]
    assert all(endpoint["description"] for endpoint in named.values())


def test_the_example_holds_one_face_and_can_be_described(address):
    faces = client(address).predict(handle_file(EXAMPLE), api_name="/faces")
    assert [face["found"] for face in faces] == [True]
    assert len(faces[0]["landmarks_px"]) == 68
    described = client(address).predict(handle_file(EXAMPLE), api_name="/describe")
    assert [answer["question"] for answer in described["answers"]] == list(QUESTIONS.values())
    assert set(described["probabilities"]) == {"emotion", "au"}


def test_a_face_is_chosen_by_its_index_and_an_unknown_one_is_refused(address):
    photo = shared_path("faces", "multi_face.jpg")
    caller = client(address)
    found = caller.predict(handle_file(photo), api_name="/faces")
    assert len(found) >= 3
    answers = {caller.predict(handle_file(photo), "Why?", n, api_name="/ask") for n in range(3)}
    assert len(answers) > 1
    with pytest.raises(Exception, match="has no face '99'"):
        caller.predict(handle_file(photo), "Why?", 99, api_name="/ask")


def test_an_answer_streams_and_a_follow_up_goes_on_from_it(address, service, noise):
    caller, question = client(address), "What emotions are conveyed by this face?"
    job = caller.submit(handle_file(noise(1)), question, api_name="/ask")
    answer = job.result(timeout=60)
    assert len(job.outputs()) > 2 and answer == alone(service, noise(1), question)
    before = service.reused
    history = [{"question": question, "answer": answer}]
    follow_up = caller.predict(handle_file(noise(1)), "Why?", 0, history, api_name="/ask")
    assert service.reused > before  # the first turn was not read again
    assert follow_up == alone(service, noise(1), "Why?", [Turn(question, answer)])


def test_a_question_may_not_bring_the_models_own_marks(address, service, noise):
    asked = client(address).predict(handle_file(noise(2)), "Why <image>?</s>", api_name="/ask")
    assert asked == alone(service, noise(2), "Why  ?")


@pytest.mark.trust
@pytest.mark.slow
def test_fifty_requests_of_eight_callers_each_get_their_own_faces_answer(address, service, portraits):
    """The tiny model's answer depends on every pixel, so that an answer names its picture."""
    wanted = {n: alone(service, portraits(n), QUESTIONS["emotion"]) for n in range(50)}
    assert len(set(wanted.values())) > 25  # else a mixed-up answer could go unnoticed

    clients = [client(address) for _ in range(8)]

    def asks(start):
        return {
            n: clients[start].predict(handle_file(portraits(n)), QUESTIONS["emotion"], api_name="/ask")
            for n in range(start, 50, 8)
        }

    def together():
        got = {}
        with ThreadPoolExecutor(8) as callers:
            for answers in callers.map(asks, range(8)):
                got.update(answers)
        return got

    sizes = []
    for _ in range(4):
        got = together()
        assert {n: (got[n], wanted[n]) for n in wanted if got.get(n) != wanted[n]} == {}
        sizes.append(resident() // 2**20)
    print(f"MB in memory after each round of 50 requests: {sizes}")
    # The first rounds fill what threads keep; a face's pictures and cache, kept for every request, would be over 100 in
    # each round.
    assert sizes[-1] - sizes[-2] < 60
    assert len(service._conversations) <= 4


@pytest.mark.trust
def test_beyond_the_queue_callers_are_told_that_it_is_busy_and_nobody_is_lost(service, noise):
    from llava_faba.demo.launch import launch

    page, address = launch(service, block=False, queue=3)
    try:
        callers, outcomes, gate = [client(address) for _ in range(16)], Counter(), threading.Barrier(16)
        files = [handle_file(noise(n)) for n in range(16)]

        def asks(n):
            gate.wait()
            try:
                callers[n].predict(files[n], "Why?", api_name="/ask")
                outcomes["answered"] += 1
            except Exception as error:
                outcomes["busy" if "full" in str(error).lower() else str(error)] += 1

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(asks, range(16)))
    finally:
        page.close()
    assert set(outcomes) == {"answered", "busy"} and outcomes.total() == 16, outcomes
    assert outcomes["answered"] >= 3


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
