"""Average precision is scikit-learn's, calibration and abstention are worked out by hand, bad input is refused."""

import doctest
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from llava_faba import cli
from llava_faba.eval import probabilities
from llava_faba.eval.probabilities import average_precision, calibration_error, reliability
from tests.eval.answer_lines import EMOTIONS, au_line, emotion_line, write_lines

SCORED = [1, 2, 4, 5, 6, 10, 12, 17, 24, 25, 26, 43]


def test_the_example_in_the_docstring_holds():
    assert doctest.testmod(probabilities, extraglobs={"np": np}) == (0, 1)


@pytest.mark.parametrize("decimals", [1, 8])  # with and without equal probabilities
def test_average_precision_is_scikit_learns(decimals):
    rng = np.random.default_rng(0)
    present, probability = rng.random(200) < 0.2, rng.random(200).round(decimals)
    assert average_precision(present, probability) == pytest.approx(average_precision_score(present, probability))


def test_a_class_without_positives_has_no_average_precision():
    assert np.isnan(average_precision(np.zeros(3, dtype=bool), np.array([0.1, 0.2, 0.3])))


def test_calibration_error_is_the_weighted_gap_of_the_bins():
    right = np.array([True, True, False, False, True])
    bins = reliability(right, np.array([0.92, 0.98, 0.95, 0.31, 1.0]))
    assert [(b["low"], b["n"]) for b in bins] == [(0.3, 1), (0.9, 4)]
    assert calibration_error(bins) == pytest.approx((0.31 + abs(4 * 0.9625 - 3)) / 5)


def emotion(best, probability):
    return {name: probability if name == best else (1 - probability) / 6 for name in EMOTIONS}


def scored(tmp_path, capsys, lines, *flags):
    path = write_lines(tmp_path / "answers.jsonl", lines)
    status = cli.main(["score", str(path), "--json", *flags])
    return status, capsys.readouterr()


def test_emotion_probabilities_give_precision_calibration_and_abstention(tmp_path, capsys):
    lines = [
        emotion_line(1, probabilities=emotion("Happiness", 0.9)),
        emotion_line(2, label="Fear", probabilities=emotion("Fear", 0.7)),
        emotion_line(3, label="Fear", probabilities=emotion("Anger", 0.4)),
        emotion_line(4),
    ]
    status, output = scored(tmp_path, capsys, lines, "--abstain-below", "0.5")
    found = json.loads(output.out)[0]["probabilities"]
    assert status == 0
    assert (found["n"], found["without"]) == (3, 1)
    assert found["s_re_of_most_probable"] == pytest.approx(200 / 3)
    assert found["abstention"] == {"threshold": 0.5, "answered": pytest.approx(200 / 3), "s_re": 100}
    assert found["calibration_error"] == pytest.approx(100 * (0.1 + 0.3 + 0.4) / 3)
    assert found["average_precision"]["Anger"] is None
    assert found["average_precision"]["Happiness"] == 100


def test_au_probabilities_are_judged_au_by_au(tmp_path, capsys):
    sure = {f"AU{au}": 0.9 if au in (6, 12) else 0.05 for au in SCORED}
    unsure = sure | {"AU6": 0.45}
    lines = [au_line(1, probabilities=sure), au_line(2, probabilities=unsure)]
    found = json.loads(scored(tmp_path, capsys, lines, "--abstain-below", "0.6")[1].out)[0]["probabilities"]
    assert found["s_re_of_most_probable"] == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert found["abstention"]["answered"] == pytest.approx(100 * 23 / 24)
    assert found["abstention"]["s_re"] == 100


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([0.5], "holds list"),
        ({"Happiness": 1.0}, "lacks Sadness"),
        (emotion("Fear", 0.5) | {"Fear": 1.5}, "gives Fear 1.5"),
        (emotion("Fear", 0.5) | {"Fear": float("nan")}, "gives Fear nan"),
        (emotion("Fear", 0.5) | {"Fear": 0.9}, "sums to 1.4"),
    ],
)
def test_unusable_probabilities_are_refused_with_their_line(tmp_path, capsys, given, said):
    status, output = scored(tmp_path, capsys, [emotion_line(1), emotion_line(2, probabilities=given)])
    assert status == 2
    assert f"line 2: `probabilities` {said}" in output.err


@pytest.mark.parametrize(("threshold", "said"), [("0.5", "no line carries"), ("50", "was given 50")])
def test_abstaining_without_probabilities_or_at_no_probability_is_refused(tmp_path, capsys, threshold, said):
    status, output = scored(tmp_path, capsys, [emotion_line(1)], "--abstain-below", threshold)
    assert (status, said in output.err) == (2, True)
