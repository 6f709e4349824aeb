"""The evidence rate by a judge that knows the truth: own faces, other faces, intervals, and every output."""

import csv
import io
import json
import re

import pytest

from llava_faba.eval.answers import parse_answer
from llava_faba.eval.bench import score
from llava_faba.eval.labels import dataset_named
from llava_faba.eval.render.page import html_page
from llava_faba.eval.render.report import csv_table, grid, text_report
from llava_faba.evidence.rate import add_evidence_rates, measure_evidence
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
    assert seeing["rate_of_other_faces"] == pytest.approx(40)  # of the five that follow, two are of its own kind
    assert seeing["gain_ci95"][0] > 0 and seeing["ci95"] == [100, 100]


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
    assert html_page(scores, table, "model").count("evidence: 66.7 (") == 2
    rows = [row for row in csv.DictReader(io.StringIO(csv_table(scores))) if row["metric"] == "evidence_rate"]
    assert [float(row["value"]) for row in rows] == [pytest.approx(200 / 3)] * 2 and rows[0]["support"] == "3"
