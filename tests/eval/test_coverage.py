"""Intervals cover and the test of groups holds its level, by a short run of scripts/benchmarks/coverage.py."""

import importlib.util

import numpy as np
import pytest
from scipy.stats import beta

from llava_faba.eval.metrics import interval, resampled_sums, two_sided_p
from tests.conftest import REPOSITORY
from tests.eval.answer_lines import au_line, emotion_line, refused, scored, write_lines

_SPEC = importlib.util.spec_from_file_location("coverage_benchmark", REPOSITORY / "scripts/benchmarks/coverage.py")
coverage = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(coverage)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in coverage.CASES if "groups" not in name])
def test_intervals_cover_what_they_promise(name):
    rng = np.random.default_rng(1)
    held = [coverage.CASES[name](rng) for _ in range(150)]
    for what in held[-1]:
        share = np.mean([one[what] for one in held if what in one])
        assert 0.88 <= share <= 1.0, (what, share)  # 150 runs: two standard errors are 3.6 points


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 7, 10])
def test_a_gap_between_identical_groups_is_rarely_found(count):
    rng = np.random.default_rng(2)
    found = [coverage.identical_groups(rng, count, "emotion", n=210)["excludes 0"] for _ in range(100)]
    assert np.mean(found) <= 0.11  # 5 % and two standard errors more; it was 21, 45 and 62 %


def test_an_interval_of_an_accuracy_is_jeffreys(tmp_path, capsys):
    """Brown, Cai and DasGupta 2001; statsmodels' proportion_confint(method="jeffreys") is the same formula."""
    lines = [emotion_line(k, "Happy." if k < 45 else "Angry.") for k in range(50)]
    low, high = scored(capsys, write_lines(tmp_path / "a.jsonl", lines), "--rules", "strict")[0]["ci95"]["s_re"]
    assert (low, high) == pytest.approx(tuple(100 * beta.ppf([0.025, 0.975], 45.5, 5.5)), abs=0.8)


def test_a_perfect_score_lies_in_its_interval_and_is_not_certain(tmp_path, capsys):
    path = write_lines(tmp_path / "a.jsonl", [emotion_line(k) for k in range(30)])
    low, high = scored(capsys, path, "--rules", "strict")[0]["ci95"]["s_re"]
    assert high == 100 and 85 < low < 97


def test_the_aus_of_the_test_set_count_in_every_draw(tmp_path, capsys):
    """n 325, two positives of AU43: draws without them dropped that AU, and S_re 52.9 had the interval 50.6 to 59.0."""
    lines = [au_line(k, "AU12.", "12" if k % 2 else "") for k in range(325)]
    for k in (7, 9):
        lines[k] |= {"label": "12, 43"}
    (result,) = scored(capsys, write_lines(tmp_path / "a.jsonl", lines), "--rules", "strict")
    low, high = result["ci95"]["s_re"]
    assert result["s_re"] == pytest.approx(result["per_class"]["AU12"]["f1"] / 2)
    assert low <= result["s_re"] <= high
    assert result["per_class"]["AU43"]["ci95"][1] < 90
    assert high < result["per_class"]["AU12"]["f1"] * 0.9, "no draw is a mean over AU12 alone"
    assert result["estimand"] == ("mean F1 over 2 AUs of this test set (AU12, AU43), for new samples like these 325")


def frames(subject="subject"):
    """Ten subjects of thirty frames: some are always read right, some never."""
    return [emotion_line(k, "Happy." if (k // 30) % 3 else "Angry.", **{subject: f"S{k // 30}"}) for k in range(300)]


def test_subjects_are_drawn_where_lines_name_them(tmp_path, capsys):
    """Frames of video, drawn one by one, gave "95 %" intervals that covered 35 %."""
    path = write_lines(tmp_path / "a.jsonl", frames())
    (result,) = scored(capsys, path, "--rules", "strict")
    assert result["drawn"] == {"unit": "subject", "n": 10}
    assert result["estimand"].endswith("for new subjects like these 10")
    low, high = result["ci95"]["s_re"]
    one_by_one = scored(capsys, write_lines(tmp_path / "b.jsonl", frames("person")), "--rules", "strict")[0]
    assert one_by_one["drawn"] == {"unit": "sample", "n": 300}
    assert high - low > 4 * (one_by_one["ci95"]["s_re"][1] - one_by_one["ci95"]["s_re"][0])
    named = scored(capsys, tmp_path / "b.jsonl", "--rules", "strict", "--cluster-by", "person")[0]
    assert named["ci95"] == result["ci95"]
    assert "has no 'video'" in refused(capsys, path, "--cluster-by", "video")
    half = write_lines(tmp_path / "c.jsonl", [*frames()[:5], emotion_line(999)])
    assert "names its subject" in refused(capsys, half)


def test_one_subject_gives_no_interval():
    sums = resampled_sums(np.ones((5, 1)), clusters=["a"] * 5)
    assert np.isnan(interval(sums[:, 0], subjects=1)).all() and two_sided_p(sums[:, 0], 1) is None


def test_paired_folds_report_the_difference_of_the_folds_means(tmp_path, capsys):
    """The means over the folds differed by 21.5, and --paired said 32.2."""
    sizes, folds = (10, 90), {"ours": [], "other": []}
    for fold, size in enumerate(sizes):
        for name, right in (("ours", 0.9), ("other", 0.5 if fold else 0.8)):
            lines = [emotion_line(f"{fold}-{k}", "Happy." if k < right * size else "Sad.") for k in range(size)]
            folds[name].append(write_lines(tmp_path / f"{name}{fold}.jsonl", lines))
    (mean,) = scored(capsys, *folds["ours"], "--rules", "strict", "--folds", "--paired", *folds["other"])
    (other,) = scored(capsys, *folds["other"], "--rules", "strict", "--folds")
    assert mean["paired"]["difference"]["s_re"] == pytest.approx(mean["s_re"] - other["s_re"]) == pytest.approx(25)
    low, high = mean["paired"]["ci95"]["s_re"]
    assert low <= 25 <= high


def test_small_groups_are_named_and_the_gap_is_over_aus_that_all_have(tmp_path, capsys):
    lines = [au_line(k, "AU12.", "12" if k % 4 else "12, 6") for k in range(40)]
    lines += [au_line(k, "AU12.", "12") for k in range(40, 80)] + [au_line(k) for k in range(80, 83)]
    table = tmp_path / "groups.csv"
    table.write_text("id,g\n" + "".join(f"face-{k},{'a' if k < 40 else 'b' if k < 80 else 'c'}\n" for k in range(83)))
    path = write_lines(tmp_path / "a.jsonl", lines)
    found = scored(capsys, path, "--rules", "strict", "--groups", table)[0]["groups"]["g"]
    assert found["too_small"] == ["c"] and found["groups"]["c"]["too_small"]
    assert found["gap"]["aus"] == ["AU12"] and found["gap"]["s_re"] == 0
    assert found["gap"]["ci95"][0] <= 0 <= found["gap"]["ci95"][1] and found["gap"]["p"] > 0.9
