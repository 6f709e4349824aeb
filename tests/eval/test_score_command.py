"""`llava-faba score`: what it prints and writes, and what unusable input gets."""

import json
import math
import re
import subprocess
import sys

import pytest

from llava_faba import cli
from tests.eval.answer_lines import au_line, emotion_line, write_lines

KEYS = {"id", "task", "rules", "label", "recognised", "correct", "rouge_l"}


@pytest.fixture
def answers(tmp_path):
    lines = [
        emotion_line(1),
        emotion_line(2, answer="A calm face.", label="4"),
        emotion_line(3, answer="Happy"),
        emotion_line(4, label=1),
    ]
    lines += [au_line(1), au_line(2, label="6, 12, 25"), au_line(3, answer="", label="")]
    return write_lines(tmp_path / "answers.jsonl", lines)


def score(capsys, *arguments):
    status = cli.main(["score", *map(str, arguments)])
    return status, capsys.readouterr()


def test_json_on_standard_output_is_a_list_for_every_rule_and_task(answers, capsys):
    status, output = score(capsys, answers, "--rules", "emola", "--rules", "paper", "--json")
    results = json.loads(output.out)
    assert status == 0
    assert [(r["rules"], r["task"]) for r in results] == [
        ("emola", "emotion"),
        ("emola", "au"),
        ("paper", "emotion"),
        ("paper", "au"),
    ]
    emotion, au = results[:2]
    assert (emotion["n"], emotion["failed"], emotion["s_re"]) == (4, 1, 50.0)
    assert au["rege"] == pytest.approx(au["s_re"] + au["s_ge"])
    assert au["per_class"]["AU6"] == {"f1": 100.0, "precision": 100.0, "recall": 100.0, "support": 2} | {
        "ci95": au["per_class"]["AU6"]["ci95"]
    }
    # AU6 and AU12 are perfect, AU25 is missed, all other AUs are never there and the released mean drops them.
    assert au["s_re"] == pytest.approx(200 / 3)
    low, high = emotion["ci95"]["s_re"]
    assert low <= 50 <= high
    assert emotion["signature"].startswith("REGE|task:emotion|rules:emola|rouge:rouge==1.0.1,L,f|n:4|failed:1|v:")
    assert emotion["signature"].endswith(f" = {emotion['rege']:.2f}")


def test_per_sample_has_a_row_for_every_line_in_their_order(answers, tmp_path, capsys):
    out = tmp_path / "samples.jsonl"
    score(capsys, answers, "--per-sample", out)
    rows = [json.loads(text) for text in out.read_text().splitlines()]
    assert all(row.keys() >= KEYS for row in rows)
    assert [(row["id"], row["label"], row["recognised"], row["correct"]) for row in rows] == [
        ("face-1", "Happiness", "Happiness", True),
        ("face-2", "Neutral", "Neutral", True),
        ("face-3", "Happiness", None, False),
        ("face-4", "Sadness", "Happiness", False),
        ("face-1", [6, 12], [6, 12], True),
        ("face-2", [6, 12, 25], [6, 12], False),
        ("face-3", [], None, False),
    ]
    assert rows[-1]["rouge_l"] is None
    assert 0 < rows[0]["rouge_l"] < 1


def test_the_table_has_the_papers_layout_and_names_what_failed(answers, capsys):
    status, output = score(capsys, answers)
    assert status == 0
    heads = [line.split() for line in output.out.splitlines()]
    assert heads[1] == "S_re S_ge REGE S_re S_ge REGE".split()
    assert "1 2 4 5 6 10 12 17 24 25 26 43".split() in heads
    assert "failed: face-3" in output.out
    assert "not in S_ge: face-3" in output.out


def test_the_row_is_named_after_the_model_that_described(answers, capsys):
    assert "\nanswers (emola)" in score(capsys, answers)[1].out
    answers.with_name("answers.jsonl.run.json").write_text('{"model": "checkpoints/llava-faba-7b-lora"}')
    assert "\nllava-faba-7b-lora (emola)" in score(capsys, answers)[1].out
    answers.with_name("answers.jsonl.run.json").write_text("[torn")
    assert "\nanswers (emola)" in score(capsys, answers)[1].out


def test_shards_and_any_order_give_the_same_numbers(answers, tmp_path, capsys):
    lines = answers.read_text().splitlines()
    first = write_lines(tmp_path / "1.jsonl", lines[::-2])
    second = write_lines(tmp_path / "2.jsonl", lines[-2::-2])
    whole = json.loads(score(capsys, answers, "--json")[1].out)
    assert json.loads(score(capsys, second, first, "--json")[1].out) == whole


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{torn", r"line 2 is not JSON"),
        ("[1]", r"line 2 holds \[1\], which is no object"),
        ({k: v for k, v in emotion_line(2).items() if k != "label"}, r"line 2 lacks the key label"),
        (emotion_line(2, label="Joy"), r"line 2 has the emotion label 'Joy'"),
        (emotion_line(2, label="7"), r"line 2 has the emotion label '7'"),
        (au_line(2, label="1; 4"), r"line 2 has the AU label '1; 4'"),
        (au_line(2, label="99"), r"line 2 has the AU label '99'"),
        (emotion_line(2, label=None), r"line 2 has the label null"),
        (emotion_line(2, answer=["x"]), r'line 2 has the answer \["x"\]'),
        (emotion_line(2, task="valence"), r"line 2 has the task 'valence'"),
        (emotion_line(1), r"line 2 repeats the id 'face-1' of .*line 1"),
    ],
)
def test_an_unusable_line_is_refused_with_its_number(bad, said, tmp_path, capsys):
    path = write_lines(tmp_path / "answers.jsonl", [emotion_line(1), bad])
    status, output = score(capsys, path, "--json", tmp_path / "score.json")
    assert status == 2
    assert re.search(said, output.err)
    assert not (tmp_path / "score.json").exists()


def test_an_empty_or_missing_file_an_unknown_data_set_and_rules_are_refused(tmp_path, answers, capsys):
    empty = write_lines(tmp_path / "empty.jsonl", [])
    assert score(capsys, empty)[0] == 2
    assert score(capsys, tmp_path / "none.jsonl")[0] == 2
    assert score(capsys, answers, "--dataset", "ck+")[0] == 2
    assert score(capsys, answers, "--rules", "loose")[0] == 2
    status, output = score(capsys, answers, "--dataset", "bp4d")
    assert (status, "has the task emotion" in output.err) == (2, True)


def test_undefined_numbers_are_null_in_json(tmp_path, capsys):
    path = write_lines(tmp_path / "answers.jsonl", [emotion_line(1, reference="")])
    result = json.loads(score(capsys, path, "--json")[1].out, parse_constant=lambda name: math.nan)[0]
    assert (result["s_ge"], result["rege"]) == (None, None)
    assert [sample["id"] for sample in result["listed"]["not_in_s_ge"]] == ["face-1"]
    assert result["s_re"] == 100


def test_one_word_answers_of_raf_db_are_read_by_default(tmp_path, capsys):
    """The released parser needs a full stop, and would score every answer of this data set as failed."""
    path = write_lines(tmp_path / "answers.jsonl", [emotion_line(1, "Happiness"), emotion_line(2, "Fear")])
    (result,) = json.loads(score(capsys, path, "--dataset", "raf-db", "--json")[1].out)
    assert (result["rules"], result["s_re"]) == ("paper", 50)
    numbered = write_lines(tmp_path / "numbered.jsonl", [emotion_line(1, "Happiness", label=4)])
    status, output = score(capsys, numbered, "--dataset", "raf-db")
    assert (status, "by name: numberings differ" in output.err) == (2, True)


def test_help_loads_no_numbers_library():
    """It must come at once: numpy alone takes longer than all of it."""
    program = (
        "import sys\nfrom llava_faba.cli import main\n"
        "try:\n    main(['score', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'scipy', 'rapidfuzz', 'PIL', 'torch'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "llava-faba score answers.jsonl" in done.stdout
