"""Lines that were never in a file are scored as `llava-faba score` scores the file of them."""

import json

import pytest

from llava_faba import cli
from llava_faba.inference.validation import METRICS, score_lines


def lines_of(task: str, label: str, answers: list[str], reference: str) -> list[dict[str, str]]:
    shared = {"task": task, "question": "?", "reference": reference, "label": label}
    return [{"id": str(n), "image": f"{n}.jpg", "answer": answer, **shared} for n, answer in enumerate(answers)]


@pytest.mark.parametrize(
    ("task", "label", "answers", "reference"),
    [
        ("emotion", "Happiness", ["The face is happy.", "She is sad.", ""], "A happy face with raised corners."),
        ("emotion", "Happiness", ["Happiness", "Sadness"], "Happiness"),
        ("au", "6, 12", ["AU6 and AU12 are present.", "AU4 is present.", "nothing"], "AU6 and AU12 are present here."),
    ],
)
def test_the_scores_are_those_of_the_command(tmp_path, task, label, answers, reference):
    lines = lines_of(task, label, answers, reference)
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert cli.main(["score", str(file), "--json", str(tmp_path / "score.json")]) == 0
    (by_command,) = json.loads((tmp_path / "score.json").read_text())
    found = score_lines(lines)
    assert (found["task"], found["rules"], found["n"]) == (task, by_command["rules"], len(answers))
    for name in METRICS:
        assert found[name] == by_command[name] and list(found["ci95"][name]) == by_command["ci95"][name]
