"""Groups, pairs and folds: numbers worked out by hand, intervals that hold them, and input that cannot be compared."""

import json
import random

import pytest

from tests.eval.answer_lines import au_line, emotion_line, random_lines, refused, scored, write_lines


@pytest.fixture
def answers(tmp_path):
    return write_lines(tmp_path / "answers.jsonl", random_lines(random.Random(0), 60))


def test_groups_have_their_own_accuracy_and_a_gap(tmp_path, answers, capsys):
    rows = [f"face-{k},{'f' if k < 20 else 'm'},{k}" for k in range(50)]
    table = tmp_path / "groups.csv"
    table.write_text("\n".join(["id,sex,age", *rows]))
    samples = tmp_path / "samples.jsonl"
    groups = scored(capsys, answers, "--groups", table, "--per-sample", samples)[0]["groups"]
    correct = [json.loads(line)["correct"] for line in samples.read_text().splitlines()]
    female, male = sum(correct[:20]) / 20 * 100, sum(correct[20:50]) / 30 * 100
    sex = groups["sex"]
    assert (sex["groups"]["f"]["n"], sex["groups"]["m"]["n"], sex["not_listed"]) == (20, 30, 10)
    assert sex["groups"]["f"]["s_re"] == pytest.approx(female)
    assert sex["groups"]["m"]["s_re"] == pytest.approx(male)
    assert sex["gap"]["s_re"] == pytest.approx(abs(female - male))
    assert sex["gap"]["ci95"][0] <= sex["gap"]["s_re"] <= sex["gap"]["ci95"][1]
    assert [group["n"] for group in groups["age"]["groups"].values()] == [13, 12, 12, 13]  # cut at the quartiles
    assert next(iter(groups["age"]["groups"])) == "0 to 12.25"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "(none)"),
        ("name,sex\nface-1,f\n", "columns name, sex"),
        ("id\nface-1\n", "columns id"),
        ("id,sex\nface-1\n", "row 2, has 1 cells"),
        ("id,sex\nface-1,f\nface-1,m\n", "row 3, repeats the id 'face-1'"),
        ("id,sex\nnobody,f\n", "lists none of the samples"),
        ('id,sex\nface-1,"f\n', "no CSV"),
    ],
)
def test_a_groups_file_that_cannot_be_used_is_refused(tmp_path, answers, capsys, table, said):
    path = tmp_path / "groups.csv"
    path.write_text(table)
    assert said in refused(capsys, answers, "--groups", path)


def test_paired_differences_are_of_the_shared_samples(tmp_path, capsys):
    ours = [emotion_line(k, "Happy." if k < 8 else "Calm.") for k in range(10)]
    other = [emotion_line(k, "Happy." if k < 5 else "Calm.") for k in range(12)]
    first, second = write_lines(tmp_path / "ours.jsonl", ours), write_lines(tmp_path / "other.jsonl", other)
    paired = scored(capsys, first, "--paired", second)[0]["paired"]
    assert (paired["n"], paired["not_shared"]) == (10, 2)
    assert paired["difference"]["s_re"] == pytest.approx(30)
    low, high = paired["ci95"]["s_re"]
    assert 0 <= low <= 30 <= high
    assert 0 < paired["p"]["s_re"] < 0.2
    clear = write_lines(tmp_path / "clear.jsonl", [emotion_line(k, "Calm.") for k in range(10)])
    assert 0 < scored(capsys, first, "--paired", clear)[0]["paired"]["p"]["s_re"] <= 0.01, "no p is 0"
    # The same draws for both: the difference of a file to itself is exactly nothing.
    same = scored(capsys, first, "--paired", first)[0]["paired"]
    assert (same["difference"]["rege"], same["ci95"]["rege"], same["p"]["rege"]) == (0, [0, 0], 1)


def test_pairs_that_cannot_be_compared_are_refused(tmp_path, answers, capsys):
    strangers = write_lines(tmp_path / "strangers.jsonl", [emotion_line("x")])
    aus = write_lines(tmp_path / "aus.jsonl", [au_line(1)])
    changed = write_lines(tmp_path / "changed.jsonl", random_lines(random.Random(5), 60))
    assert "shares no sample" in refused(capsys, answers, "--paired", strangers)
    assert "no answers of the task emotion" in refused(capsys, answers, "--paired", aus)
    assert "has the label" in refused(capsys, answers, "--paired", changed)


def test_the_mean_over_folds_is_of_their_scores_not_of_their_samples(tmp_path, capsys):
    one = write_lines(tmp_path / "1.jsonl", [au_line(k, label="6, 12") for k in range(6)])
    lines = [au_line(k, label="6, 17" if k % 2 else "12") for k in range(10, 20)]
    two = write_lines(tmp_path / "2.jsonl", lines)
    (mean,) = scored(capsys, one, two, "--folds", "--dataset", "bp4d", "--rules", "strict")
    folds = [scored(capsys, path, "--dataset", "bp4d", "--rules", "strict")[0] for path in (one, two)]
    assert mean["n"] == 16
    assert mean["s_re"] == pytest.approx(sum(fold["s_re"] for fold in folds) / 2)
    assert mean["per_class"]["AU6"]["f1"] == pytest.approx(sum(f["per_class"]["AU6"]["f1"] for f in folds) / 2)
    assert [fold["s_re"] for fold in mean["folds"]] == [fold["s_re"] for fold in folds]
    assert "|dataset:bp4d|folds:2|" in mean["signature"]
    assert mean["ci95"]["s_re"][0] <= mean["s_re"] <= mean["ci95"]["s_re"][1]


def test_folds_that_share_a_sample_or_differ_in_task_are_refused(tmp_path, answers, capsys):
    aus = write_lines(tmp_path / "aus.jsonl", [au_line(1)])
    assert "repeats the id" in refused(capsys, answers, answers, "--folds")
    assert "different tasks: emotion, au" in refused(capsys, answers, aus, "--folds")


@pytest.mark.parametrize("flag", ["--json", "--per-sample"])
def test_answers_are_never_overwritten(tmp_path, answers, capsys, flag):
    content = answers.read_text()
    assert "would write to" in refused(capsys, answers, flag, answers)
    assert answers.read_text() == content
