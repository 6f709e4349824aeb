"""Model files: found where they are looked for, fetched whole or not at all, and only under their licence."""

import hashlib
import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from llava_faba import cli
from llava_faba.errors import InputError, MissingFileError
from llava_faba.face import model_files as models
from llava_faba.face.model_files import MODELS, find_model, get_model, model_of, require_model

CONTENT = bytes(range(256)) * 400


class Server(BaseHTTPRequestHandler):
    """A server with a path for each way in which a download goes wrong."""

    def do_GET(self):
        body = {"/good": CONTENT, "/other": CONTENT[:-1] + b"x", "/long": CONTENT * 2, "/short": CONTENT[:1000]}.get(
            self.path, CONTENT
        )
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
            return
        self.send_response(200)
        if self.path in ("/good", "/dies", "/silent", "/trickle"):
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path == "/dies":
            self.wfile.write(body[: len(body) // 2])
        elif self.path == "/silent":
            self.wfile.write(body[:100])
            self.wfile.flush()
            self.server.closing.wait(20)
        elif self.path == "/trickle":
            for byte in body:
                if self.server.closing.wait(0.05):
                    return
                try:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                except OSError:
                    return
        else:
            try:
                self.wfile.write(body)
            except OSError:
                pass

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.closing = threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.closing.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv(models.ENVIRONMENT, raising=False)
    return tmp_path / "home"


@pytest.fixture
def known(monkeypatch):
    """Let 2d106det be a file of a hundred kilobytes."""
    model = replace(MODELS["2d106det"], size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(MODELS, "2d106det", model)
    return model


def test_a_download_is_checked_and_kept_in_the_cache(server, home, known, capsys):
    for path in ("good", "moved"):
        url = f"{server}/{path}"
        assert cli.main(["models", "get", "2d106det", "--accept-licence", "--url", url]) == 0
        kept = home / ".cache" / "llava-faba" / "models" / "2d106det.onnx"
        assert kept.read_bytes() == CONTENT and list(kept.parent.iterdir()) == [kept]
        assert str(kept) in capsys.readouterr().out
        assert cli.main(["models", "path", "2d106det"]) == 0
        assert capsys.readouterr().out.strip() == str(kept) == str(find_model("2d106det"))
        assert get_model("2d106det", accept_licence=False, url="http://127.0.0.1:1/") == kept  # it is here already
        kept.unlink()


@pytest.mark.trust
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("other", "another file"),
        ("long", "more than"),
        ("short", "stopped early"),
        ("dies", "102400 bytes"),
        ("silent", "said nothing"),
        ("trickle", "too slow"),
        ("missing", "404"),
    ],
)
def test_a_server_that_is_slow_short_wrong_or_dies_leaves_nothing(server, home, known, monkeypatch, path, says):
    monkeypatch.setattr(models, "SLOWEST", len(CONTENT))  # so that the whole may take a second and a half
    folder = home / "kept"
    folder.mkdir(parents=True)
    (folder / "2d106det.onnx").write_bytes(b"older")
    start = time.monotonic()
    with pytest.raises(InputError, match=says):
        get_model("2d106det", accept_licence=True, folder=folder, url=f"{server}/{path}", silence=0.5)
    assert time.monotonic() - start < 5
    assert [p.name for p in folder.iterdir()] == ["2d106det.onnx"]
    assert (folder / "2d106det.onnx").read_bytes() == b"older"


def test_nothing_is_fetched_without_the_licence_or_from_elsewhere_than_the_web(home, known):
    with pytest.raises(InputError, match="non-commercial"):
        get_model("2d106det", accept_licence=False, url="http://127.0.0.1:1/")
    for url in ("file:///etc/passwd", "ftp://host/file", "/etc/passwd"):
        with pytest.raises(InputError, match="https"):
            get_model("2d106det", accept_licence=True, url=url)
    with pytest.raises(InputError, match="cannot be read"):
        get_model("2d106det", accept_licence=True, url="http://127.0.0.1:1/")
    assert cli.main(["models", "get", "nothing", "--accept-licence"]) == 2
    assert cli.main(["models", "get"]) == 2


def test_files_are_looked_for_in_the_folder_of_the_environment_then_packs_then_the_cache(home, monkeypatch):
    places = [home / "mine", home / ".insightface" / "models" / "buffalo_l", home / ".cache" / "llava-faba" / "models"]
    monkeypatch.setenv(models.ENVIRONMENT, str(places[0]))
    with pytest.raises(MissingFileError) as error:
        require_model("1k3d68", "A test")
    assert str(places[0]) in str(error.value) and "models get 1k3d68" in str(error.value)
    for place in reversed(places):
        place.mkdir(parents=True)
        (place / "1k3d68.onnx").write_bytes(b"x")
        assert find_model("1k3d68") == place / "1k3d68.onnx"


def test_the_list_says_what_each_file_is_for_its_licence_and_whether_it_is_the_known_one(home, known, capsys):
    cache = home / ".cache" / "llava-faba" / "models"
    cache.mkdir(parents=True)
    (cache / "2d106det.onnx").write_bytes(CONTENT)
    (cache / "det_10g.onnx").write_bytes(b"something else")
    assert cli.main(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(MODELS)
    assert (rows["2d106det"]["known"], rows["det_10g"]["known"], rows["1k3d68"]["known"]) == (True, False, None)
    assert cli.main(["models", "list"]) == 0
    text = capsys.readouterr().out
    assert "other content" in text and "non-commercial" in text and "Apache-2.0" in text


def test_every_file_has_a_size_a_hash_a_pinned_address_and_a_licence():
    assert len(MODELS) == 5
    for model in MODELS.values():
        assert len(model.sha256) == 64 and model.size > 1e6 and model.licence
        assert model.url.startswith("https://") and model.url.endswith(model.file)
        assert model_of(model.file) is model
