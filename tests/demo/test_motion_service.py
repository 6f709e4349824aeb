"""Clips on a page without a model for them: motion, and sentences that it supports."""

import shutil

import pytest

from tests.conftest import shared_path
from tests.motion.clip_files import a_face, write_clip

pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")
from llava_faba.demo.clip_report import report_html, severity_html
from llava_faba.demo.guard import keep_uploads_apart, uploads_folder
from llava_faba.demo.models import clip_service_of
from llava_faba.errors import InputError


@pytest.fixture(scope="module")
def service():
    keep_uploads_apart()
    service = clip_service_of(None)
    service.start(background=False)
    return service


def read_to_end(service, path):
    from pathlib import Path

    place = Path(uploads_folder()) / "one" / path.name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, place)
    steps = service.read(str(place))
    while True:
        try:
            next(steps)
        except StopIteration as done:
            assert not place.exists(), "the clip is deleted once it was read"
            return done.value


@pytest.mark.slow
def test_a_real_clip_is_told_in_sentences_that_its_motion_supports(service):
    read = read_to_end(service, shared_path("video", "woman_expressions.mp4"))
    (record,) = service.assess(read, "smile")
    assert record["severity"] is None and record["model"] is None and severity_html(record) == ""
    verdicts = {judged["verdict"] for judged in record["evidence"]["sentences"]}
    assert len(record["evidence"]["sentences"]) >= 3 and "contradicted" not in verdicts
    assert record["report"].split(".")[0] in report_html(record)


def test_a_still_face_is_told_as_one(service, tmp_path):
    read = read_to_end(service, write_clip(tmp_path / "still.mp4", [a_face()] * 8, [40 * n for n in range(8)]))
    (record,) = service.assess(read, "smile")
    assert record["motion"]["mouth_opening_amplitude"]["value"] < 0.05
    with pytest.raises(InputError, match="expression"):
        list(service.assess(read, "yawn"))
