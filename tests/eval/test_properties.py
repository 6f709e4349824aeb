"""What holds for any answers: bounds, order, shards, repetition; and texts that no model should write."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llava_faba import cli
from llava_faba.eval.answers import Answer
from llava_faba.eval.bench import score
from llava_faba.eval.labels import DATASETS
from llava_faba.eval.parse import RULES
from tests.eval.answer_lines import au_line, emotion_line, write_lines

WORDS = "happy sad not no fear AU4 AU 12 AUs 1, 2 and 6 isn't nose . . ! ? smiling surprise, anger \n absent".split(" ")
TEXTS = st.one_of(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join), st.text(max_size=30))
EMOTION = st.tuples(st.just("emotion"), TEXTS, TEXTS, st.sampled_from(["Happiness", "3", "fear"]))
AU = st.tuples(st.just("au"), TEXTS, TEXTS, st.sampled_from(["", "1, 4", "4,12", "43"]))


def answers(tuples):
    return [
        Answer(str(number), "", task, "", text, reference, label, f"line {number}")
        for number, (task, text, reference, label) in enumerate(tuples)
    ]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.one_of(EMOTION, AU), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_scores_are_bounded_and_do_not_depend_on_the_order(tuples, shuffler):
    read = answers(tuples)
    results = score(read, DATASETS["faba"], RULES)
    for result in results:
        for name in ("s_re", "s_ge", "accuracy", "macro_f1", "micro_f1", "rouge_score_l"):
            assert not result.values[name] < 0 and not result.values[name] > 1
        assert len(result.samples) == sum(answer.task == result.task for answer in read)
        assert result.count("decided") + result.count("undecided") + result.count("failed") == len(result.samples)
    shuffled = list(read)
    shuffler.shuffle(shuffled)
    again = score(shuffled, DATASETS["faba"], RULES)
    for one, other in zip(results, again, strict=True):
        assert {k: v for k, v in one.as_json().items() if k != "listed"} == {
            k: v for k, v in other.as_json().items() if k != "listed"
        }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(TEXTS.filter(lambda text: text.replace(".", "")))
def test_an_answer_equal_to_its_reference_has_rouge_100(text):
    (result,) = score(answers([("emotion", text, text, "Fear")]), DATASETS["faba"], ["paper"])
    assert 100 * result.values["s_ge"] == pytest.approx(100)


def test_a_resumed_run_scores_like_an_uninterrupted_one(tmp_path, capsys):
    """The released code writes ROUGE 0 for every sample of the first part."""
    lines = [emotion_line(k, "She looks happy with raised cheeks." if k % 2 else "A calm face.") for k in range(9)]
    whole = write_lines(tmp_path / "whole.jsonl", lines)
    torn = tmp_path / "resumed.jsonl"
    torn.write_bytes(whole.read_bytes()[: len(whole.read_bytes()) // 2])
    from llava_faba.files import JsonLines

    with JsonLines(torn) as file:
        done = {line["id"] for line in file}
        for line in lines:
            if line["id"] not in done:
                file.append(line)
    results = []
    for path in (whole, torn):
        assert cli.main(["score", str(path), "--json"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert 0 < len(done) < 9
    assert results[0] == results[1]
    assert results[0][0]["s_ge"] > 50


@pytest.mark.parametrize("rules", RULES)
def test_monstrous_answers_are_scored_or_listed_never_lost(tmp_path, capsys, rules):
    lines = [
        emotion_line(1, ""),
        emotion_line(2, "word " * 5000),
        emotion_line(3, "She looks happy. " * 60_000),  # about 1 MB
        emotion_line(4, "..."),
        au_line(5, "AU4 " * 5000),
        au_line(6, "\x00\x01 \u202e \ud83d AU12."),  # control signs, and half of an emoji
        au_line(7, None),
    ]
    path = write_lines(tmp_path / "answers.jsonl", lines)
    out = tmp_path / "samples.jsonl"
    assert (
        cli.main(["score", str(path), "--rules", rules, "--json", "--per-sample", str(out), "--html", f"{out}.html"])
        == 0
    )
    emotion, au = json.loads(capsys.readouterr().out)
    rows = {row["id"]: row for row in map(json.loads, out.read_text().splitlines())}
    assert len(rows) == 7
    assert (emotion["n"], au["n"]) == (4, 3)
    empty = "failed" if rules == "emola" else "undecided"
    assert (rows["face-1"]["status"], rows["face-1"]["rouge_l"]) == (empty, None)
    assert (rows["face-7"]["status"], rows["face-7"]["recognised"]) == (empty, None)
    assert rows["face-2"]["rouge_l"] == 0
    assert rows["face-3"]["recognised"] == "Happiness" and rows["face-3"]["rouge_l"] > 0
    assert rows["face-4"]["rouge_l"] is None
    assert rows["face-5"]["recognised"] == [4]
    assert rows["face-6"]["recognised"] == [12]
    listed = {sample["id"] for sample in emotion["listed"]["not_in_s_ge"]}
    assert listed == {"face-1", "face-4"}


@pytest.mark.trust
def test_random_bytes_are_refused_in_one_line(tmp_path, capsys):
    rng = random.Random(0)
    good = json.dumps(emotion_line(1)).encode()
    for trial in range(300):
        data = bytearray(good + b"\n" + json.dumps(emotion_line(2)).encode() + b"\n")
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path = tmp_path / "answers.jsonl"
        path.write_bytes(bytes(data) if trial % 3 else rng.randbytes(rng.randint(1, 200)))
        status = cli.main(["score", str(path), "--json"])
        output = capsys.readouterr()
        assert status in (0, 2)
        assert len(output.err.splitlines()) <= 1
