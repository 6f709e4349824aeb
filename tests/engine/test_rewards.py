"""Rewards are called as TRL calls them, without torch, a thousand answers a second; pairs follow what a face shows."""

import inspect
import json
import subprocess
import sys
import time

import pytest

from llava_faba import cli
from llava_faba.engine import rewards
from llava_faba.face.images import read_pixels
from llava_faba.face.measures import MeasuredFace, measure_photo
from llava_faba.files import read_json_lines
from tests.conftest import shared_path

SMILE = MeasuredFace(
    {
        **dict.fromkeys(["mouth_corner_reach", "mouth_corner_reach_left", "mouth_corner_reach_right"], 9.0),
        **dict.fromkeys(["mouth_corner_height", "mouth_corner_height_left", "mouth_corner_height_right"], 9.0),
        **dict.fromkeys(["brow_inner_height", "brow_inner_height_left", "brow_inner_height_right"], -9.0),
        **dict.fromkeys(["brow_outer_height", "brow_outer_height_left", "brow_outer_height_right"], -9.0),
        **dict.fromkeys(["lid_aperture", "lid_aperture_left", "lid_aperture_right"], 0.0),
        **{"mouth_width": 9.0, "lip_opening": 9.0, "jaw_drop": 9.0, "brow_distance": 0.5, "brow_furrow": 9.0},
    },
    0.4,
)  # a caricature: the mouth wide and open, its corners high, the brows low
GOOD, BAD = (
    "The lip corners are pulled up in a smile, which suggests happiness.",
    "AU15 is active. The mouth is closed.",
)


def test_each_reward_has_trls_signature_and_returns_a_float_an_answer():
    messages = [[{"role": "assistant", "content": GOOD}], [{"role": "assistant", "content": BAD}]]
    columns = {"label": ["Happiness", "Sadness"], "measured": [rewards.measured_column(SMILE), None], "task": "emotion"}
    for reward in (rewards.label_match, rewards.evidence, rewards.answer_format):
        assert "columns" in inspect.signature(reward).parameters
        for completions in ([GOOD, BAD], messages):
            values = reward(completions=completions, prompts=["?", "?"], completion_ids=[[1], [2]], **columns)
            assert len(values) == 2 and all(type(value) is float for value in values)
    assert rewards.au_f1(completions=["AU6, AU12", "No AU."], label=["6, 12", "none"]) == [1.0, 1.0]


def test_landmarks_reward_what_they_support_and_punish_what_they_contradict():
    measured = [rewards.measured_column(SMILE)] * 3 + [None]
    assert rewards.evidence([GOOD, BAD, "A calm face.", BAD], measured=measured) == [1.0, -1.0, 0.0, 0.0]


def test_labels_are_matched_by_what_the_text_affirms():
    texts = [GOOD, "There is no happiness here; this is sadness.", "", GOOD]
    assert rewards.label_match(texts, label=["Happiness", "Sadness", "Fear", None]) == [1.0, 1.0, 0.0, 0.0]


def test_a_thousand_answers_are_rewarded_in_a_second_of_processor_time():
    texts = [f"{GOOD} AU{k % 25 + 1} is active, and the brows are slightly raised." for k in range(1000)]
    columns = {"measured": [rewards.measured_column(SMILE)] * 1000, "label": ["Happiness"] * 1000}
    for reward in (rewards.label_match, rewards.answer_format, rewards.evidence):
        start = time.process_time()
        reward(texts, **columns)
        assert time.process_time() - start < 1.0, reward.__name__


def test_rewards_are_imported_without_torch():
    code = "import sys, llava_faba.engine.rewards; assert not {'torch', 'transformers', 'llava'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def smiling():
    """A face of the shared ones whose landmarks show a smile, and its file."""
    folder = shared_path("faces", "images")
    for line in shared_path("faces", "train.csv").read_text().splitlines()[1:40]:
        name, label = line.removeprefix("images/").split(",")
        face = measure_photo(read_pixels(folder / name)) if label == "Happiness" else None
        if face and rewards.evidence(["AU12 is active."], measured=[face]) == [1.0]:
            return folder / name
    raise AssertionError("none of the happy faces is seen to smile")


def test_the_pair_follows_what_the_face_shows(smiling, tmp_path):
    texts = [
        "The mouth corners are pulled down, which suggests sadness.",
        GOOD,
        "I'm sorry, but I can't help with that.",
    ]
    keys = {"id": smiling.name, "image": smiling.name, "task": "emotion", "question": "Which emotion?", "label": ""}
    lines = [{**keys, "answer": text, "sample": k} for k, text in enumerate(texts)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ["prefer", tmp_path / "a.jsonl", "--image-root", smiling.parent, "--out", tmp_path / "p.jsonl"]
    assert cli.main(list(map(str, words))) == 0
    (pair,) = read_json_lines(tmp_path / "p.jsonl")
    assert pair["chosen"][0]["content"][0]["text"] == GOOD and pair["images"] == [smiling.name]
    assert pair["rejected"][0]["content"][0]["text"] != GOOD and pair["read"]["chosen"] == "Happiness"
    assert rewards.evidence([GOOD], measured=[pair["measured"]]) == [1.0]  # the column feeds the reward as it is


def test_a_face_whose_answers_are_all_contradicted_gives_no_pair(smiling, tmp_path):
    texts = ["The mouth corners are pulled down.", "AU15 is active and this is sadness."]
    keys = {
        "id": smiling.name,
        "image": smiling.name,
        "task": "emotion",
        "question": "Which emotion?",
        "label": "Happiness",
    }
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({**keys, "answer": text}) + "\n" for text in texts))
    words = ["prefer", tmp_path / "a.jsonl", "--image-root", smiling.parent, "--out", tmp_path / "p.jsonl"]
    assert cli.main(list(map(str, words))) == 1 and (tmp_path / "p.jsonl").read_text() == ""
