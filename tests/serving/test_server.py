"""`llava-faba serve` and `--server`: over HTTP, with pictures as data URIs, the answers are those of describe."""

import csv
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.engine.endpoint import Endpoint
from llava_faba.faces import Turn
from llava_faba.files import write_json
from llava_faba.inference.conversation import Conversation
from llava_faba.inference.describer import Describer, open_picture
from llava_faba.starter.folder import starter_model
from tests.conftest import shared_path
from tests.serving.conftest import CPU

pytestmark = pytest.mark.vllm
FLAGS = ["--enforce-eager", "--gpu-memory-utilization", "0.1", "--max-model-len", "1024", "--max-num-seqs", "16"]
TOKENS = 48


@pytest.fixture(scope="module")
def server(vllm, tmp_path_factory):
    """The address of a running server of the starter, and what it printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [vllm, "-m", "llava_faba.cli", "serve", "--port", str(port), "--given-priors", "--", *FLAGS]
    with open(log, "w") as printed:
        running = subprocess.Popen(command, env={**os.environ, **CPU}, stdout=printed, stderr=printed)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            assert running.poll() is None, log.read_text()[-3000:]
            try:
                urlopen(f"{address}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(1)
        yield f"{address}/v1", log
    finally:
        running.terminate()
        running.wait(60)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory) -> Path:
    """Thirty-two real faces."""
    root = shared_path("faces")
    rows = list(csv.DictReader((root / "eval.csv").read_text().splitlines()))[:32]
    entries = [{"image": row["image"], "label": row["label"], "gpt4": "A face."} for row in rows]
    return write_json(tmp_path_factory.mktemp("faces") / "eval.json", entries)


def describe(evaluation: Path, out: Path, *flags: str) -> bytes:
    command = ["describe", "--data", str(evaluation), "--image-root", str(shared_path("faces")), "--task", "emotion"]
    assert cli.main([*command, "--out", str(out), "--max-new-tokens", str(TOKENS), *flags]) == 0
    return out.read_bytes()


def refusal(address: str, **body) -> tuple[int, str]:
    """Status and message of a request that is refused."""
    data = json.dumps({"model": "starter", "max_tokens": 4, **body}).encode()
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"{address}/chat/completions", data, {"Content-Type": "application/json"}))
    return refused.value.code, json.loads(refused.value.read())["error"]["message"]


def test_answers_of_32_faces_are_the_bytes_that_describe_writes(server, evaluation, tmp_path):
    served = describe(evaluation, tmp_path / "served.jsonl", "--server", server[0])
    assert served == describe(evaluation, tmp_path / "local.jsonl", "--device", "cpu")
    record = json.loads((tmp_path / "served.jsonl.run.json").read_text())
    assert record["model"] == "starter" and record["servers"] == [server[0]]


def test_a_stopped_run_goes_on_where_it_was(server, evaluation, tmp_path):
    whole = describe(evaluation, tmp_path / "answers.jsonl", "--server", server[0])
    (tmp_path / "answers.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:11]) + b'{"id": "torn')
    assert describe(evaluation, tmp_path / "answers.jsonl", "--server", server[0]) == whole


def test_a_table_is_the_one_of_the_loaded_model(server, tmp_path):
    pictures = [str(shared_path("faces") / "images" / f"eval_000{number}.jpg") for number in range(4)]
    for name, flags in (("served", ["--server", server[0]]), ("local", ["--device", "cpu"])):
        command = ["describe", "--input", *pictures, "--crop", "no", "--csv", str(tmp_path / f"{name}.csv"), *flags]
        assert cli.main([*command, "--max-new-tokens", str(TOKENS)]) == 0
    assert (tmp_path / "served.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()


def test_a_second_turn_and_its_stream_are_those_of_the_page(server):
    picture = open_picture(shared_path("faces") / "images" / "eval_0002.jpg")
    describer = Describer.from_pretrained(starter_model(), device="cpu", dtype="float32")
    talk = Conversation(describer, describer.prepare_faces([picture])[0])
    earlier = [Turn("What emotions are conveyed by this face?", "It shows happiness.")]
    (*_, ours) = talk.ask("Why?", earlier, max_new_tokens=TOKENS)
    from llava_faba.demo.photo_faces import SeenFace
    from llava_faba.demo.served import served_service_of

    service = served_service_of([server[0]], None, TOKENS)
    service.start(background=False)
    *parts, theirs = service.answer(SeenFace(picture, None), "Why?", earlier)
    assert theirs == ours and len(parts) > 3
    assert service.probabilities(SeenFace(picture, None), "emotion", earlier[0]) == {}


def test_a_prior_of_the_caller_takes_the_place_of_the_read_one(server, tmp_path):
    path = shared_path("faces") / "images" / "eval_0002.jpg"
    endpoint = Endpoint(server[0], "starter", TOKENS, 0.0)
    read = endpoint.ask("What AUs are conveyed by this face?", path, "a")
    given = endpoint.ask(
        "What AUs are conveyed by this face?", path, "b", extra={"mm_processor_kwargs": {"facial_prior": [2.0] * 143}}
    )
    assert read.text != given.text


def test_bad_requests_are_refused_and_the_server_goes_on(server):
    import base64
    import io

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    picture = {"type": "image_url", "image_url": {"url": url}}

    def asked(text, *pictures):
        return [{"role": "user", "content": [{"type": "text", "text": text}, *pictures]}]

    for given in ([1.0], [float("inf")] * 143, "many", [["x"]]):
        status, said = refusal(server[0], messages=asked("Why?", picture), mm_processor_kwargs={"facial_prior": given})
        assert status == 400 and "143 finite numbers" in said
    assert refusal(server[0], messages=asked("<unk>?", picture))[0] == 400
    assert refusal(server[0], messages=asked("Both?", picture, picture))[0] == 400
    address = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/picture.png"}}
    status, said = refusal(server[0], messages=asked("Why?", address))
    assert status == 400 and "allowed domains" in said  # nothing was fetched
    face = str(shared_path("faces") / "images" / "eval_0000.jpg")
    assert cli.main(["describe", "--server", server[0], "--image", face]) == 0


def test_the_printed_request_works_as_it_stands(server, tmp_path):
    _, log = server
    (tmp_path / "FACE.jpg").write_bytes((shared_path("faces") / "images" / "eval_0002.jpg").read_bytes())
    line = next(line for line in log.read_text().splitlines() if "| curl" in line)
    said = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=True).stdout
    assert "happiness" in json.loads(said)["choices"][0]["message"]["content"]


def test_annotate_asks_it_as_any_other_endpoint(server, tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    for number in range(4):
        name = f"eval_000{number}.jpg"
        (faces / name).write_bytes((shared_path("faces") / "images" / name).read_bytes())
    command = ["annotate", str(faces), "--aligned", "--endpoint", server[0], "--model", "starter", "--task", "emotion"]
    assert cli.main([*command, "--out", str(tmp_path / "data.json"), "--yes", "--max-tokens", "48"]) == 0
    kept = json.loads((tmp_path / "data.json").read_text())
    left_out = tmp_path / "data_annotation" / "left_out.jsonl"
    refused = left_out.read_text().splitlines() if left_out.exists() else []
    # The tiny starter may answer a question it was not trained on with one word, which is no text to train on.
    assert len(kept) >= 2 and len(kept) + len(refused) == 4
    assert all(json.loads(line)["answer"] for line in refused)


def test_without_given_priors_the_client_says_how_to_let_them_in(tmp_path):
    from llava_faba.engine.replies import Failure
    from llava_faba.engine.servers import _refused

    said = "Per-request mm_processor_kwargs are disabled by default ... Start the server with --trust-request-mm-kwargs"
    assert "llava-faba serve --given-priors" in str(_refused("http://x/v1", Failure(said, paid=False, final=True)))
