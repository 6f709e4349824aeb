"""`--server URL`: answers of served models are whole, each once, in order, whatever the servers do meanwhile."""

import json

import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.engine import servers as room
from llava_faba.engine.replies import backoff
from llava_faba.engine.servers import Servers
from llava_faba.errors import InputError
from llava_faba.files import write_json

pytest.importorskip("openai", reason="asking a server needs the extra [annotate]")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(room, "backoff", lambda tries, failure: min(0.02, backoff(tries, failure)))


@pytest.fixture
def evaluation(tmp_path):
    """An evaluation file of 24 small pictures."""
    entries = []
    for number in range(24):
        Image.new("RGB", (24, 24), (number * 10, 90, 160)).save(tmp_path / f"{number:02d}.png")
        entries.append({"image": f"{number:02d}.png", "label": "Happiness", "gpt4": "Happy."})
    return write_json(tmp_path / "eval.json", entries)


def describe(evaluation, out, *urls, status=0):
    command = ["describe", "--data", str(evaluation), "--task", "emotion", "--out", str(out), "--batch-size", "8"]
    assert cli.main([*command, "--server", *urls]) == status


@pytest.mark.parametrize("fault", ["error", "garbage", "half", "close", "rate"])
def test_a_server_that_fails_every_third_request_loses_and_doubles_nothing(serve, evaluation, tmp_path, fault):
    well, failing = serve(), serve(lambda number: fault if number % 3 == 2 else "")
    describe(evaluation, tmp_path / "well.jsonl", well.url)
    describe(evaluation, tmp_path / "failing.jsonl", failing.url)
    assert (tmp_path / "failing.jsonl").read_bytes() == (tmp_path / "well.jsonl").read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "well.jsonl").read_text().splitlines()]
    assert [line["image"] for line in lines] == [f"{number:02d}.png" for number in range(24)]
    assert len(failing.requests) > 24


def test_servers_share_the_work_and_one_that_dies_is_not_missed(serve, evaluation, tmp_path):
    first, dying = serve(), serve(lambda number: "close" if number >= 4 else "")
    describe(evaluation, tmp_path / "two.jsonl", first.url, dying.url)
    assert len((tmp_path / "two.jsonl").read_text().splitlines()) == 24
    assert len(dying.requests) >= 4 and len(first.requests) >= 8
    record = json.loads((tmp_path / "two.jsonl.run.json").read_text())
    assert record["servers"] == [first.url, dying.url] and record["model"] == "served"


def test_a_run_that_was_stopped_goes_on_at_another_server(serve, evaluation, tmp_path, capsys):
    out = tmp_path / "answers.jsonl"
    describe(evaluation, out, serve(lambda number: "bad" if number == 13 else "").url, status=2)
    assert "refuses a request" in capsys.readouterr().err
    assert len(out.read_text().splitlines()) == 8  # the batch before
    second = serve()
    describe(evaluation, out, second.url)
    whole = tmp_path / "whole.jsonl"
    describe(evaluation, whole, serve().url)
    assert out.read_bytes() == whole.read_bytes() and len(second.requests) == 16


def test_the_answers_of_another_model_are_not_mixed_in(serve, evaluation, tmp_path, capsys):
    out = tmp_path / "answers.jsonl"
    describe(evaluation, out, serve().url)
    describe(evaluation, out, serve(model="other").url, status=2)
    assert "model was 'served', is 'other'" in capsys.readouterr().err


def test_a_server_that_is_down_is_one_clear_error(evaluation, tmp_path, capsys):
    describe(evaluation, tmp_path / "answers.jsonl", "http://127.0.0.1:9/v1", status=2)
    said = capsys.readouterr().err
    assert "No --server answers: http://127.0.0.1:9/v1" in said and "Is it up (`llava-faba serve`)" in said
    assert not (tmp_path / "answers.jsonl").exists()


def test_a_server_that_answers_nonsense_ends_in_one_clear_error(serve, evaluation, tmp_path, capsys):
    describe(evaluation, tmp_path / "answers.jsonl", serve(lambda number: "garbage").url, status=2)
    said = capsys.readouterr().err
    assert "in 6 tries: the answer is no chat completion: '<html>502</html>'" in said and said.count("error:") == 1


def test_a_face_that_the_server_could_not_read_is_a_line_that_says_so(serve, evaluation, tmp_path):
    out = tmp_path / "answers.jsonl"
    describe(evaluation, out, serve(lambda number: "faceless" if number == 3 else "").url)
    assert sum("unread" in json.loads(line) for line in out.read_text().splitlines()) == 1


def test_servers_of_different_models_are_refused(serve):
    with pytest.raises(InputError, match="different models"):
        Servers([serve().url, serve(model="other").url])
    with pytest.raises(InputError, match="serves served, not mine"):
        Servers([serve().url], "mine")


def test_a_stored_prior_goes_along_with_its_picture(serve):
    server = serve()
    Servers([server.url]).ask("What?", b"png", [1.0, 2.0])
    assert server.requests[0]["body"]["mm_processor_kwargs"] == {"facial_prior": [1.0, 2.0]}
    assert server.requests[0]["body"]["temperature"] == 0


def test_flags_of_a_loaded_model_are_refused_beside_a_server(capsys):
    for flags in (["--model-path", "m"], ["--probabilities"], ["--dtype", "float16"]):
        assert cli.main(["describe", "--server", "http://127.0.0.1:9/v1", "--image", "x.jpg", *flags]) == 2
        assert f"{flags[0]} was given with --server" in capsys.readouterr().err
