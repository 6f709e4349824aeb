"""What the page says about an answer: marks by landmarks, no Markdown, and "not sure" where the model is not."""

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")

from llava_faba.demo.judged import evidence_html, without_marks
from llava_faba.demo.photo_faces import SeenFace, labels_html, see_faces
from llava_faba.face.images import read_image
from tests.conftest import REPOSITORY

EXAMPLE = REPOSITORY / "llava_faba" / "demo" / "examples" / "astronaut.jpg"


def test_sentences_about_movements_are_marked_and_others_are_left_out():
    smiling = see_faces(read_image(EXAMPLE))[0]
    text = "She may be happy. The corners of the mouth are pulled up (AU12). The corners of the mouth are pulled down."
    page = evidence_html(text, smiling)
    assert page.count("<li") == 2 and "may be happy" not in page
    assert page.index("supported") < page.index("contradicted")


def test_without_a_face_nothing_is_called_supported():
    page = evidence_html("AU12 is present <b>.", SeenFace(Image.new("RGB", (64, 64)), None))
    assert "supported" not in page and "<b>" not in page


def test_marks_of_markdown_are_left_out():
    assert without_marks("**AU25**, `AU26` and __AU27__\n## End") == "AU25, AU26 and AU27\nEnd"


def test_an_emotion_that_is_less_likely_than_not_is_shown_as_unsure():
    even = dict.fromkeys(("Happiness", "Neutral", "Sadness"), 1 / 3)
    assert "not sure: Happiness?" in labels_html({"emotion": "Happiness"}, {"emotion": even})
    sure = {"Happiness": 0.9, "Neutral": 0.1}
    assert "not sure" not in labels_html({"emotion": "Happiness"}, {"emotion": sure})
