"""A temperature is found again where it is known, no single answer decides it, and it stays with the model."""

import json

import numpy as np
import pytest

from llava_faba import cli
from llava_faba.files import write_json
from tests.eval.answer_lines import EMOTIONS, emotion_line, write_lines


def answers(count, temperature, seed=0, sharp=2.0):
    """Lines whose probabilities are those from which the labels were drawn, at another temperature."""
    rng, lines = np.random.default_rng(seed), []
    for number in range(count):
        logits = sharp * rng.normal(size=len(EMOTIONS))
        true, told = (np.exp(logits / t) / np.exp(logits / t).sum() for t in (1.0, temperature))
        label, best = EMOTIONS[rng.choice(len(EMOTIONS), p=true)], EMOTIONS[int(np.argmax(told))]
        line = emotion_line(number, f"This face reads as {best.lower()}.", label)
        lines.append(line | {"probabilities": dict(zip(EMOTIONS, map(float, told), strict=True))})
    return lines


@pytest.fixture
def model(tmp_path):
    write_json(tmp_path / "model" / "config.json", {})
    return tmp_path / "model"


def calibrated(tmp_path, model, lines, capsys, **record):
    path = write_lines(tmp_path / "answers.jsonl", lines)
    write_json(tmp_path / "answers.jsonl.run.json", {"model": str(model), **record})
    status = cli.main(["score", str(path), "--calibrate"])
    return status, capsys.readouterr().err


def test_the_temperature_from_which_labels_were_drawn_is_found_again(tmp_path, model, capsys):
    status, said = calibrated(tmp_path, model, answers(3000, 0.5), capsys)
    found = json.loads((model / "calibration.json").read_text())["emotion"]
    assert status == 0 and "calibration error" in said
    assert found["temperature"] == pytest.approx(2.0, abs=0.15) and found["method"] == "words" and found["n"] == 3000
    assert found["error_before"] > 15 and found["error_after"] < 4


def test_a_temperature_that_was_applied_already_is_counted_in(tmp_path, model, capsys):
    calibrated(tmp_path, model, answers(3000, 0.5), capsys, calibration={"emotion": 1.5})
    found = json.loads((model / "calibration.json").read_text())["emotion"]
    assert found["temperature"] == pytest.approx(3.0, abs=0.25)


def test_one_sure_error_does_not_decide(tmp_path, model, capsys):
    """By log loss, a few answers that were sure and wrong tripled the starter's temperature, and made it worse."""
    lines = answers(300, 1.0)
    sure = {name: 1.0 if name == "Fear" else 0.0 for name in EMOTIONS}
    wrong = emotion_line("sure", "This face reads as fear.", "Happiness", probabilities=sure)
    calibrated(tmp_path, model, [*lines, wrong, wrong | {"id": "again.jpg", "image": "again.jpg"}], capsys)
    found = json.loads((model / "calibration.json").read_text())["emotion"]
    assert found["temperature"] == pytest.approx(1.0, abs=0.2)


def test_too_few_answers_and_answers_of_no_model_are_refused(tmp_path, model, capsys):
    assert calibrated(tmp_path, model, answers(10, 1.0), capsys)[0] == 2
    status, said = calibrated(tmp_path, tmp_path / "elsewhere", answers(50, 1.0), capsys)
    assert status == 2 and "no model folder" in said
