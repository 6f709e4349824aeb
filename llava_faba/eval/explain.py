"""Answers -> how the rules `strict` read each of them: clause, claim and polarity, as text for `score --explain`."""

from collections.abc import Sequence

from llava_faba.eval.answers import Answer
from llava_faba.eval.labels import Dataset
from llava_faba.eval.parse import Recognised, parse_aus, parse_emotion
from llava_faba.eval.strict import explained

_WIDTH = 100  # columns of the terminal that a line takes at most


def explanation(answers: Sequence[Answer], dataset: Dataset) -> str:
    """Return for each answer what `strict` recognised, and the claims with their clauses that it was decided by."""
    return "".join(_one(answer, dataset) for answer in answers)


def _one(answer: Answer, dataset: Dataset) -> str:
    if answer.task == "emotion":
        read = parse_emotion(answer.answer, "strict")
    else:
        read = parse_aus(answer.answer, dataset, "strict")
    lines = [f"{answer.id} ({answer.task}), strict: {_shown(read)}"]
    for row in explained(answer.answer, answer.task):
        weight = f" x {row['weight']}" if row["weight"] is not None else ""
        clause = " ".join(str(row["clause"]).split())
        head = f"  {row['polarity']:<9}  {row['claim']}{weight}  | "
        room = max(20, _WIDTH - len(head))
        lines.append(head + (clause if len(clause) <= room else clause[: room - 3] + "..."))
    return "\n".join(lines) + "\n"


def _shown(read: Recognised) -> str:
    if read.value is None:
        return f"undecided, {read.reason}"
    if isinstance(read.value, str):
        return read.value
    return ", ".join(f"AU{au}" for au in read.value) or "no action unit"
