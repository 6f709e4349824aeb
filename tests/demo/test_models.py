"""What the page answers with: the starter where no model is named, and one error for what is no model."""

import pytest

from llava_faba.errors import InputError, MissingFileError
from tests.conftest import shared_path

pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")
from llava_faba.data.prompts import QUESTIONS
from llava_faba.demo.models import service_of
from llava_faba.demo.photo_faces import labels_of, see_faces
from llava_faba.demo.photo_tab import EXAMPLE
from llava_faba.face.images import read_image
from llava_faba.faces import Turn


@pytest.fixture(scope="module")
def starter():
    service = service_of(None)
    service.start(background=False)
    return service


def answered(service, face, task) -> Turn:
    question = QUESTIONS[task]
    return Turn(question, list(service.answer(face, question))[-1])


def test_the_example_is_read_by_the_starter_and_its_bars_agree_with_its_words(starter):
    face = see_faces(read_image(EXAMPLE))[0]
    turn = answered(starter, face, "emotion")
    shares = starter.probabilities(face, "emotion", turn)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
    assert max(shares, key=shares.get) == labels_of([turn])["emotion"] == "Happiness"
    actions = answered(starter, face, "au")
    likely = starter.probabilities(face, "au", actions)
    assert 12 in labels_of([actions])["aus"] and all(0 <= p <= 1 for p in likely.values()) and likely["AU12"] > 0.5


def test_each_face_of_a_photo_has_bars_that_agree_with_its_words(starter):
    faces = see_faces(read_image(shared_path("faces", "multi_face.jpg")))
    assert len(faces) == 5
    for face in faces:
        turn = answered(starter, face, "emotion")
        shares = starter.probabilities(face, "emotion", turn)
        assert max(shares, key=shares.get) == labels_of([turn])["emotion"]


def test_an_answer_that_names_nothing_has_no_bars(starter):
    face = see_faces(read_image(EXAMPLE))[0]
    assert starter.probabilities(face, "emotion", Turn(QUESTIONS["emotion"], "A face with a nose.")) == {}


def test_a_path_that_is_no_model_is_refused_before_the_page_is_up(tmp_path):
    with pytest.raises(MissingFileError, match="is not a folder on this disk"):
        service_of(str(tmp_path / "none"))
    (tmp_path / "config.json").write_text('{"motion_frames": 64}')
    with pytest.raises(InputError, match="--clip-model-path"):
        service_of(str(tmp_path))
