"""Hostile visitors: reliability's demo attacks are refused, say nothing about the server, and reach nobody else."""

import io
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")
import gradio as gr
import httpx
from gradio_client import Client, handle_file

from llava_faba.demo import guard
from llava_faba.errors import InputError
from llava_faba.face.images import MAX_BYTES, BadImage

pytestmark = pytest.mark.trust
SERVER_PATHS = re.compile(r"/(tmp|root|home|work|usr|var|etc|proc)/|site-packages|\.py\b|Traceback")


@pytest.fixture(scope="module")
def canary():
    """A server on this machine that counts who calls it."""
    hits = []

    class Count(BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_POST = do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Count)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], hits
    server.shutdown()


def post(address, endpoint, *data) -> str:
    """Call an endpoint without Gradio's client, which would clean the data; return all that the server says."""
    started = httpx.post(f"{address}gradio_api/call/{endpoint}", json={"data": list(data)}, timeout=30)
    if started.status_code != 200:
        return started.text
    with httpx.stream("GET", f"{address}gradio_api/call/{endpoint}/{started.json()['event_id']}", timeout=60) as reply:
        return "".join(reply.iter_text())


def refused(said: str) -> bool:
    return "event: error" in said and "event: complete" not in said and not SERVER_PATHS.search(said)


def file_record(**fields):
    return {"meta": {"_type": "gradio.FileData"}, **fields}


FORMS = [  # a public address would be fetched by Gradio itself; inner ones are what an attacker is after
    "http://127.0.0.1:{port}/a.png",
    "http://localhost:{port}/a.png",
    "http://[::1]:{port}/a.png",
    "http://0x7f000001:{port}/a.png",
    "http://2130706433:{port}/a.png",
    "http://0177.0.0.1:{port}/a.png",
    "http://127.1:{port}/a.png",
    "HTTP://127.0.0.1:{port}/a.png",
    "http://user@127.0.0.1:{port}/a.png",
    "http://127.0.0.1.nip.io:{port}/a.png",
    "http://169.254.169.254/latest/meta-data/",
    "https://example.com/a.png",
    "file:///etc/passwd",
    "//127.0.0.1:{port}/a.png",
    "ftp://127.0.0.1:{port}/a.png",
]


@pytest.mark.parametrize("form", FORMS)
def test_no_address_is_fetched(form, address, canary, monkeypatch):
    from gradio import processing_utils

    asked = []
    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", lambda *a: asked.append(a))
    monkeypatch.setattr(processing_utils, "ssrf_protected_download", lambda *a: asked.append(a))
    port, hits = canary
    url = form.format(port=port)
    for record in (file_record(path=url), file_record(path=url, url=url), {"path": url}, url):
        assert refused(post(address, "faces", record))
    assert not asked and not hits


def test_a_part_of_the_page_that_gradio_makes_anew_refuses_addresses_as_well(address):
    with pytest.raises(gr.Error, match="not fetched"):
        gr.Image(render=False).move_resource_to_block_cache("https://example.com/a.png")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/proc/self/environ", "../../../etc/passwd", "/dev/zero", "/etc/passwd\0.png", "", ".", "a" * 5000],
)
def test_no_file_of_the_server_is_opened(path, address):
    for record in (file_record(path=path), {"path": path}, path):
        said = post(address, "faces", record)
        assert refused(said) and "root:" not in said


@pytest.mark.parametrize("value", [None, 3, [], {}, {"path": None}, {"path": ["/etc/passwd"]}, True])
def test_what_is_no_upload_is_refused(value, address):
    assert refused(post(address, "faces", value))


def test_the_file_route_serves_neither_addresses_nor_other_files(address, canary):
    port, hits = canary
    for target in (f"http://127.0.0.1:{port}/", "/etc/passwd", "../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd"):
        assert httpx.get(f"{address}gradio_api/file={target}").status_code in (403, 404)
    assert not hits


def upload(address, name, data) -> httpx.Response:
    return httpx.post(f"{address}gradio_api/upload", files={"files": (name, data)}, timeout=60)


def test_a_file_beyond_the_limit_is_not_taken(address):
    assert upload(address, "large.png", b"0" * (MAX_BYTES + 1)).status_code == 413


def test_a_name_that_leads_out_stays_inside(address):
    reply = upload(address, "../../evil.png", b"0")
    assert reply.status_code == 200
    assert guard.uploads_folder() in guard.Path(reply.json()[0]).resolve().parents


def hostile_files():
    bomb = io.BytesIO()
    Image.new("1", (20000, 20000)).save(bomb, "PNG")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1/a.png"/></svg>'
    good = io.BytesIO()
    Image.new("RGB", (300, 300), "red").save(good, "PNG")
    return {
        "bomb.png": bomb.getvalue(),
        "picture.svg": svg,
        "picture.png": svg,
        "text.jpg": b"hello",
        "cut.png": good.getvalue()[:200],
        "page.html.png": b"<html><script>alert(1)</script>",
        "empty.png": b"",
        "script.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
    }


@pytest.mark.parametrize("name", hostile_files())
def test_files_that_are_no_pictures_get_a_readable_refusal(name, address):
    path = upload(address, name, hostile_files()[name]).json()[0]
    started = time.monotonic()
    said = post(address, "faces", file_record(path=path))
    assert refused(said) and time.monotonic() - started < 5
    assert re.search("cannot be decoded|too many pixels|no uploaded picture", said)


def test_another_visitors_file_cannot_be_guessed(address, noise):
    stored = upload(address, "face.png", noise(7).read_bytes()).json()[0]
    assert re.search("/[0-9a-f]{64}/", stored)  # only who has the picture knows its place


@pytest.mark.parametrize("history", ["text", [1], [{"role": "user"}], [{"question": "", "answer": ""}], {"a": 1}])
def test_a_history_of_another_shape_is_refused(history, address, noise):
    path = upload(address, "face.png", noise(8).read_bytes()).json()[0]
    assert refused(post(address, "ask", file_record(path=path), "Why?", 0, history))


@pytest.mark.parametrize("question", ["", " ", "a" * 5000, None, "<image>", "\0\1"])
def test_an_unusable_question_is_refused(question, address, noise):
    path = upload(address, "face.png", noise(8).read_bytes()).json()[0]
    assert refused(post(address, "ask", file_record(path=path), question, 0, None))


@pytest.mark.parametrize("face", [-1, 1.5, "0; rm", None, 10**30, True])
def test_an_unusable_face_is_refused(face, address, noise):
    path = upload(address, "face.png", noise(8).read_bytes()).json()[0]
    assert refused(post(address, "ask", file_record(path=path), "Why?", face, None))


def test_a_fault_of_ours_tells_nothing_about_the_server(caplog):
    def broken(_):
        raise RuntimeError("/root/secret.py")

    with pytest.raises(gr.Error) as error:
        guard.readable(broken)(1)
    assert "secret" not in str(error.value) and "secret" in caplog.text


def test_the_page_names_no_other_host_and_no_path(address):
    """The page's own script may hold addresses of Gradio's documentation; its configuration holds no file of ours."""
    config = httpx.get(f"{address}config").json()
    assert config["analytics_enabled"] is False
    # What remains are the example's cached copy and the uploads' folder, which carry no name of a person or machine.
    assert "site-packages" not in json.dumps(config)


def test_old_files_are_deleted_and_young_ones_stay(address, noise):
    import os

    old, young = (guard.Path(upload(address, "face.png", noise(n).read_bytes()).json()[0]) for n in (21, 22))
    os.utime(old, (time.time() - guard.KEPT_SECONDS - 1,) * 2)
    assert guard.sweep() >= 1
    assert young.exists() and not old.exists()


def test_faces_are_forgotten(service, noise):
    from llava_faba.demo.photo_faces import see_faces
    from llava_faba.face.images import read_image

    service.start(background=False)
    list(service.answer(see_faces(read_image(noise(9)))[0], "Why?"))
    assert service._conversations
    service.forget(age=0)
    assert not service._conversations


def test_a_path_outside_the_uploads_is_no_upload(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "face.png")
    with pytest.raises(BadImage) as error:
        guard.open_upload(str(tmp_path / "face.png"))
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("value", ["user", "user:", ":word", "a:b,c"])
def test_unreadable_credentials_are_refused(value, monkeypatch):
    monkeypatch.setenv(guard.AUTH_VARIABLE, value)
    with pytest.raises(InputError):
        guard.credentials()


def test_credentials_come_from_the_environment(service, monkeypatch, noise):
    from llava_faba.demo.launch import launch

    monkeypatch.setenv(guard.AUTH_VARIABLE, "ann:secret, ben:word:with:colons")
    page, address = launch(service, block=False)
    try:
        assert httpx.get(f"{address}config").status_code == 401
        assert upload(address, "face.png", b"0").status_code == 401
        signed_in = Client(address, auth=("ben", "word:with:colons"), verbose=False)
        assert signed_in.predict(handle_file(noise(3)), api_name="/faces")[0]["index"] == 0
    finally:
        page.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_uploads_are_deleted_when_the_process_ends(name, tmp_path):
    import os
    import signal
    import subprocess
    import sys

    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "llava_faba.cli", "demo"]
    # A script's background job does not hear the keyboard, whatever these tests were started as.
    heard = signal.SIG_IGN if name == "SIGTERM" else signal.SIG_DFL
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, heard),
    ) as process:
        try:
            address = next(line for line in process.stdout if "http" in line).split()[4]
            stored = guard.Path(upload(address, "face.png", b"0").json()[0])
            assert stored.is_file() and tmp_path in stored.parents
            process.send_signal(getattr(signal, name))
            process.wait(timeout=30)
        finally:
            process.kill()
    assert not stored.exists() and not list(tmp_path.glob("llava-faba-*"))
