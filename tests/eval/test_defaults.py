"""What is not said follows from the data: rules, headings, warnings; and the report can be read by a stranger."""

import csv
import json

import pytest
from PIL import Image

from llava_faba import cli
from tests.eval.answer_lines import EMOTIONS, au_line, emotion_line, scored, write_lines


@pytest.mark.parametrize("task", ["emotion", "au"])
def test_a_perfect_model_on_converted_data_scores_100_by_plain_score(tmp_path, capsys, task):
    """`describe` prints `llava-faba score answers.jsonl` as next, which said S_re 0.0, failed 40."""
    labels = EMOTIONS if task == "emotion" else ["1, 4", "12", "6, 12", "", "25"]
    for k, _ in enumerate(labels):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{k}.png")
    with open(tmp_path / "eval.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [["image", "label", "subject"], *([f"{k}.png", v, f"S{k}"] for k, v in enumerate(labels))]
        )
    out = tmp_path / "out"
    assert cli.main(["convert", "csv", "--eval", str(tmp_path / "eval.csv"), "--task", task, "--out", str(out)]) == 0
    entries = json.loads((out / "eval.json").read_text())
    lines = [
        {"id": e["id"], "image": e["image"], "task": task, "question": "?", "answer": e["gpt4"]}
        | {"reference": e["gpt4"], "label": e["label"], "subject": e["subject"]}
        for e in entries
    ]
    path = write_lines(tmp_path / "answers.jsonl", lines)
    capsys.readouterr()
    assert cli.main(["score", str(path)]) == 0
    said = capsys.readouterr()
    assert "rules strict, since the references are labels" in said.err
    assert "FABA-Bench" not in said.out
    (result,) = scored(capsys, path)
    assert (result["s_re"], result["rules"], result["data"]) == (100, "strict", "own data")
    assert result["drawn"]["unit"] == "subject"


def test_descriptions_are_read_as_the_released_code_does_and_said_so(tmp_path, capsys):
    path = write_lines(tmp_path / "answers.jsonl", [emotion_line(1), au_line(2)])
    assert cli.main(["score", str(path)]) == 0
    said = capsys.readouterr()
    assert "own data: 1 emotion and 1 AU samples; rules emola, since the references are descriptions" in said.err


def test_faba_benchs_own_test_split_is_headed_so(tmp_path, capsys):
    path = write_lines(tmp_path / "answers.jsonl", [emotion_line(k) for k in range(403)])
    assert cli.main(["score", str(path), "--compare", "--html", str(tmp_path / "r.html")]) == 0
    said = capsys.readouterr()
    assert "FABA-Bench: 403 emotion samples" in said.err and "warning" not in said.err
    assert "answers on FABA-Bench" in (tmp_path / "r.html").read_text()


def test_own_data_stand_beside_printed_rows_with_a_warning_only(tmp_path, capsys):
    path = write_lines(tmp_path / "answers.jsonl", [emotion_line(k) for k in range(8)])
    page, out = tmp_path / "r.html", tmp_path / "s.json"
    assert cli.main(["score", str(path), "--compare", "--html", str(page), "--json", str(out)]) == 0
    said = capsys.readouterr()
    warning = "the printed numbers are of FABA-Bench's test split (403 emotion samples); yours are of other samples"
    assert warning in said.err and "published protocol" not in page.read_text().lower()
    assert "answers on own data" in page.read_text() and "of other samples, so the rows" in page.read_text()
    assert warning in json.loads(out.read_text())[0]["warnings"][0]
    table = said.out.splitlines()
    assert table[2].startswith("answers (emola)"), "one's own row comes first"


def test_the_report_fits_100_columns_and_explains_itself(tmp_path, capsys):
    path = write_lines(tmp_path / "answers.jsonl", [*map(emotion_line, range(9)), *map(au_line, range(9))])
    assert cli.main(["score", str(path), "--compare", "--rules", "emola", "--rules", "strict"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    for said in ("S_re: what was recognised", "S_ge: ROUGE-L", "REGE: S_re + S_ge", "12 lip corner puller"):
        assert said in " ".join(out.split())
