"""The evidence rate by a judge that knows the truth: own faces, other faces, intervals, and every output."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from llava_faba.eval.answers import parse_answer
from llava_faba.eval.bench import score
from llava_faba.eval.defaults import setting_of
from llava_faba.eval.labels import dataset_named
from llava_faba.eval.render.page import html_page
from llava_faba.eval.render.report import grid, text_report
from llava_faba.eval.render.tables import csv_table
from llava_faba.evidence.rate import OTHERS, add_evidence_rates, draw_partners, measure_evidence
from tests.eval.answer_lines import au_line


def judge(text, image):
    """Pictures with an even number smile, the others do not; nothing else is measurable."""
    smiles = int(image.removesuffix(".jpg")) % 2 == 0
    sentences = []
    for sentence in re.findall(r"[^.]+\.", text):
        claim = {"AU12.": True, "no AU12.": False}.get(sentence.strip())
        verdict = "not measurable" if claim is None else "supported" if claim == smiles else "contradicted"
        sentences.append({"sentence": sentence.strip(), "verdict": verdict, "reason": "known"})
    return {"sentences": sentences, "rate": None}


def answers(texts):
    return [parse_answer(au_line(k, text, id=f"{k:03d}"), f"line {k}") for k, text in enumerate(texts)]


def test_a_model_that_sees_its_faces_gains_over_other_faces():
    seeing = measure_evidence(answers(["AU12. Hair." if k % 2 == 0 else "no AU12." for k in range(40)]), judge)
    assert seeing["rate"] == 100 and seeing["judged"] == 40 and seeing["sentences"] == 60
    assert seeing["rate_of_other_faces"] == pytest.approx(48, abs=10)  # of the other 39 nineteen are of its own kind
    assert seeing["gain_ci95"][0] > 0 and seeing["ci95"] == [100, 100]


def frames(subjects=8, each=25):
    """A video of each subject: those with an even number smile in every frame, and the model sees it."""
    return [
        parse_answer(
            au_line(
                k, "AU12." if s % 2 == 0 else "no AU12.", id=f"{s:02d}/{k:03d}", image=f"{s}.{k}.jpg", subject=f"S{s}"
            ),
            "line",
        )
        for s in range(subjects)
        for k in range(each)
    ]


def judge_of_frames(text, image):
    return judge(text, image.split(".")[0] + ".jpg")


def test_partners_are_other_subjects_and_the_gain_is_that_of_a_model_that_sees():
    """The five next ids were neighbouring frames: a gain of 7.5 for a model that sees perfectly."""
    answers = frames()
    for answer, partners in zip(answers, draw_partners(answers), strict=True):
        assert len(partners) == OTHERS
        assert all(answers[other].subject != answer.subject for other in partners)
    seeing = measure_evidence(answers, judge_of_frames)
    assert seeing["gain"] == pytest.approx(57, abs=8)  # of the seven other subjects, three are of its own kind
    assert draw_partners(answers) == draw_partners(answers) != draw_partners(answers, seed=1)


def test_intervals_draw_whole_subjects():
    """200 frames of 8 people are 8 people: the interval of a rate that differs by subject is as wide as theirs."""
    said = [replace(one, answer="AU12.") for one in frames()]
    by_subject = measure_evidence(said, judge_of_frames)
    alone = measure_evidence([replace(one, subject=None) for one in said], judge_of_frames)
    width = [found["ci95"][1] - found["ci95"][0] for found in (by_subject, alone)]
    assert width[0] > 3 * width[1] and by_subject["drawn"] == {"unit": "subject", "n": 8}


def test_one_subject_has_no_partner():
    only = measure_evidence(frames(subjects=1), judge_of_frames)
    assert only["rate"] == 100 and only["rate_of_other_faces"] is None and only["gain"] is None


def test_a_model_that_says_the_same_of_every_face_gains_nothing():
    blind = measure_evidence(answers(["AU12."] * 40), judge)
    assert blind["rate"] == 50 and blind["rate_of_other_faces"] == 50
    low, high = blind["gain_ci95"]
    assert low < 0 < high and blind["ci95"][0] < 50 < blind["ci95"][1]
    assert [one["id"] for one in blind["contradicted"]] == [f"{k:03d}" for k in range(1, 40, 2)]


def test_without_a_sentence_to_judge_the_rate_is_undefined():
    nothing = measure_evidence(answers(["Hair.", "AU6."]), judge)
    assert nothing["rate"] is None and nothing["ci95"] == [None, None] and nothing["judged"] == 0


def test_every_output_holds_the_rate():
    scores = score(answers(["AU12."] * 3 + ["Hair."]), dataset_named("faba"), ["emola", "strict"])
    add_evidence_rates(scores, judge, "a test's norms")
    table = grid(scores, "model", ())
    for result in json.loads(json.dumps([one.as_json() for one in scores])):
        assert result["evidence_rate"] == pytest.approx(200 / 3) and result["evidence"]["norms"] == "a test's norms"
    report = text_report(scores, table)
    assert report.count("evidence: 66.7 (") == 2 and "of 3 sentences" in report
    assert (
        html_page(scores, table, "model", setting_of([one.answer for one in scores[0].samples], "faba")).count(
            "evidence: 66.7 ("
        )
        == 2
    )
    rows = [row for row in csv.DictReader(io.StringIO(csv_table(scores))) if row["metric"] == "evidence_rate"]
    assert [float(row["value"]) for row in rows] == [pytest.approx(200 / 3)] * 2 and rows[0]["support"] == "3"
