"""The shipped starter: it is read by LLaVA on every transformers, and it reads faces as well as its card says."""

import csv
import re
from pathlib import Path

import pytest

from llava_faba.files import read_json
from llava_faba.starter.folder import CARD, MODEL, starter_model
from llava_faba.vocabulary import CALIBRATION, EMOTIONS
from tests.conftest import REPOSITORY, shared_path

GOALS = {"eval": 59.0, "eval_natural": 83.0}  # per cent right
EXAMPLE = REPOSITORY / "llava_faba" / "demo" / "examples" / "astronaut.jpg"


@pytest.fixture(scope="module")
def describer():
    from llava_faba.inference.describer import Describer

    return Describer.from_pretrained(starter_model(), device="cpu")


def answers(describer, pictures, probabilities=True):
    """What is answered to the fixed question about emotions."""
    from PIL import Image

    from llava_faba.inference.describer import Request
    from llava_faba.inference.photos import answers_about

    request = Request.of_tasks(("emotion",), with_probabilities=probabilities)
    found = []
    for start in range(0, len(pictures), 32):
        faces = describer.prepare_faces([Image.open(picture) for picture in pictures[start : start + 32]])
        found += [answer for (answer,) in answers_about(describer, faces, request)]
    return found


def test_it_answers_about_the_example(describer):
    (answer,) = answers(describer, [EXAMPLE])
    assert answer["recognised"] == "Happiness" and answer["probabilities"]["Happiness"] > 0.8
    assert "(AU12)" in answer["answer"]


def test_it_is_small_names_no_path_and_says_what_it_was_made_of():
    files = [file for file in CARD.parent.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert sum(file.stat().st_size for file in files) < 8e6
    config = read_json(MODEL / "config.json", "config")
    assert config["mm_vision_tower"] == "clip" and config["facial_prior_tower"] == "dlib_68+expression"
    assert not [value for value in config.values() if isinstance(value, str) and Path(value).is_absolute()]
    assert read_json(MODEL / CALIBRATION, "calibration")["emotion"]["n"] >= 200
    card = CARD.read_text()
    for said in ("muxspace/facial_expressions", "Apache-2.0", "not for commercial", "What it cannot do"):
        assert said in card


@pytest.mark.slow
@pytest.mark.trust
@pytest.mark.parametrize("name", GOALS)
def test_it_reads_faces_that_it_never_saw_as_its_card_says(describer, name):
    with open(shared_path("faces", f"{name}.csv")) as lines:
        rows = list(csv.DictReader(lines))
    found = answers(describer, [shared_path("faces", row["image"]) for row in rows], name == "eval")
    answered = sum(answer["answer"] is not None for answer in found)
    right = 100 * sum(a["recognised"] == row["label"] for a, row in zip(found, rows, strict=True)) / len(rows)
    agree = [max(EMOTIONS, key=a["probabilities"].get) == a["recognised"] for a in found if a.get("probabilities")]
    print(f"{name}: {right:.1f} % right, {answered} of {len(rows)} answered, {sum(agree)} of {len(agree)} bars agree")
    said = float(re.search(rf"\| `{name}.csv` \|[^|]*\| \**([\d.]+)", CARD.read_text())[1])
    assert right == pytest.approx(said, abs=1.0) and right >= GOALS[name] - 1.0
    assert answered >= 0.97 * len(rows) and sum(agree) >= 0.95 * len(agree)
