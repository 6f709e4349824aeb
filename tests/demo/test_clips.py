"""Clips over the API: the record of `llava-faba assess`, limits, nothing kept, several callers with the same clip."""

from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")
pytest.importorskip("av", reason="clips need the extra [video]")
from gradio_client import Client, handle_file

from llava_faba.demo import clip_service as clip_reading
from llava_faba.demo import guard
from llava_faba.demo.models import clip_service_of, service_of
from llava_faba.errors import InputError
from tests.demo.clip_model import REPORT
from tests.demo.test_guard import file_record, post, refused, upload
from tests.motion.clip_files import write_sound


def assess(address, path, expression="smile"):
    client = Client(address, verbose=False, analytics_enabled=False)
    return client.predict(handle_file(path), expression, api_name="/assess")


def stored() -> set:
    return {path for path in guard.uploads_folder().rglob("*") if path.is_file() and path.suffix == ".mp4"}


@pytest.mark.slow
def test_a_clip_is_assessed_as_the_command_does_it_and_its_file_is_gone(clip_address, clip_model, short_clip):
    from llava_faba.motion.clips import read_clip
    from llava_faba.motion.measures import measure_motion
    from llava_faba.video.assessment import Assessor

    record = assess(clip_address, short_clip)
    clip = read_clip(short_clip, workers=1)
    wanted = Assessor.from_pretrained(clip_model).assess(clip, measure_motion(clip), "smile")
    assert {key: value for key, value in record.items() if key not in ("clip", "model")} == {
        key: value for key, value in wanted.items() if key not in ("clip", "model")
    }
    assert record["clip"] == "smile.mp4" and record["model"]["name"] == "feqa-tiny" and "path" not in record["model"]
    assert record["report"] == REPORT and "split conformal" in record["interval"]["method"]
    verdicts = [judged["verdict"] for judged in record["evidence"]["sentences"]]
    assert verdicts == ["supported", "contradicted", "not measurable"]
    assert not stored()


@pytest.mark.slow
def test_callers_who_send_the_same_clip_at_once_all_get_their_record(clip_address, short_clip):
    with ThreadPoolExecutor(4) as callers:
        asked = ["smile", "frown", "smile", "frown"]
        records = list(callers.map(lambda expression: assess(clip_address, short_clip, expression), asked))
    assert [record["model"]["expression"] for record in records] == asked
    assert records[0] == records[2] and records[1] == records[3] and not stored()


def test_the_endpoint_is_named_typed_and_documented(clip_address):
    client = Client(clip_address, verbose=False, analytics_enabled=False)
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/faces", "/describe", "/ask", "/assess"}
    assert [parameter["parameter_name"] for parameter in named["/assess"]["parameters"]] == ["clip", "expression"]
    assert "severity 0..4" in named["/assess"]["description"]


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


@pytest.mark.trust
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"this is no film", "cannot be opened"),
        (b"", "cannot be opened"),
        (PLAYLIST.encode(), "cannot be opened"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "cannot be opened"),
    ],
)
def test_what_is_no_clip_gets_a_readable_refusal(content, said, clip_address):
    path = upload(clip_address, "clip.mp4", content).json()[0]
    answer = post(clip_address, "assess", file_record(path=path), "smile")
    assert refused(answer) and said in answer and "clip.mp4" in answer and not stored()


@pytest.mark.trust
def test_sound_without_a_picture_is_refused(clip_address, tmp_path):
    path = upload(clip_address, "clip.mp4", write_sound(tmp_path / "sound.mp4").read_bytes()).json()[0]
    answer = post(clip_address, "assess", file_record(path=path), "smile")
    assert refused(answer) and "no video stream" in answer and not stored()


@pytest.mark.trust
@pytest.mark.parametrize("value", ["http://127.0.0.1/a.mp4", "/etc/passwd", None, {"path": "/dev/zero"}, 3])
def test_what_is_no_upload_is_refused(value, clip_address):
    assert refused(post(clip_address, "assess", value, "smile"))


@pytest.mark.trust
@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [
        ("MAX_SECONDS", 1.0, "lasts 1.6"),
        ("MAX_FRAMES", 30, "has 40 frames"),
        ("MAX_FRAME_PIXELS", 1000, "frames of 640 x 360"),
        ("MAX_CLIP_BYTES", 1000, "is larger than"),
        ("MAX_READING_SECONDS", 0.01, "could not be read within"),
    ],
)
def test_a_clip_beyond_a_limit_is_refused(limit, value, said, clip_address, short_clip, monkeypatch):
    monkeypatch.setattr(clip_reading, limit, value)
    path = upload(clip_address, "clip.mp4", short_clip.read_bytes()).json()[0]
    answer = post(clip_address, "assess", file_record(path=path), "smile")
    assert refused(answer) and said in answer and "A clip is a video file" in answer and not stored()


@pytest.mark.trust
def test_a_header_that_understates_the_length_does_not_help(short_clip, monkeypatch):
    monkeypatch.setattr(clip_reading, "_checked_header", lambda file: 0.1)
    monkeypatch.setattr(clip_reading, "MAX_FRAMES", 3)
    with pytest.raises(InputError, match="frame 4 is at"):
        list(clip_reading._watched(short_clip, 0.1))


@pytest.mark.trust
@pytest.mark.parametrize("expression", ["yawn", "", None, 3, ["smile"]])
def test_an_expression_that_the_model_does_not_know_is_refused_before_the_clip_is_read(
    expression, clip_address, short_clip
):
    path = upload(clip_address, "clip.mp4", short_clip.read_bytes()).json()[0]
    answer = post(clip_address, "assess", file_record(path=path), expression)
    assert refused(answer) and "This model knows sit_at_rest, smile" in answer and not stored()


@pytest.mark.trust
def test_a_file_beyond_the_limit_is_not_taken(clip_address):
    assert upload(clip_address, "large.mp4", b"0" * (clip_reading.MAX_CLIP_BYTES + 1)).status_code == 413


def test_a_reading_that_is_left_deletes_the_file(clips, short_clip, tmp_path, monkeypatch):
    monkeypatch.setenv(guard.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(clip_reading, "STEP_SECONDS", 0.0)
    file = tmp_path / "own" / "clip.mp4"
    file.parent.mkdir()
    file.write_bytes(short_clip.read_bytes())
    steps = clips.read(str(file))
    told = next(steps)
    assert file.exists() and told.frames == 1 and told.rate > 0
    steps.close()
    assert not file.parent.exists()


def test_each_model_is_refused_in_the_others_place(clip_model, tiny_llava):
    with pytest.raises(InputError, match="--clip-model-path"):
        service_of(str(clip_model))
    with pytest.raises(InputError, match="no model that was trained on clips"):
        clip_service_of(str(tiny_llava))
    with pytest.raises(InputError, match="no model that was trained on clips"):
        clip_service_of("/nowhere")


def test_a_page_without_a_clip_model_has_neither_tab_nor_endpoint(address):
    client = Client(address, verbose=False, analytics_enabled=False)
    assert "/assess" not in client.view_api(return_format="dict")["named_endpoints"]
    labels = [part["props"].get("label") for part in client.config["components"] if part["type"] == "tabitem"]
    assert labels == ["Photo", "Compare"]
