"""Answers about a face -> how far each can be believed: by the face itself, by other answers, by its label.

Each check gives a value from 0 to 1, or None where it cannot judge; the confidence is the mean of those that can. It
ranks samples for a person to look at. It is no probability.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from llava_faba.engine.readings import Label, read_text
from llava_faba.eval.parse import parse_emotion
from llava_faba.evidence.photo import check_photo
from llava_faba.evidence.verdict import CONTRADICTED, SUPPORTED
from llava_faba.face.measures import MeasuredFace

DOUBTFUL = 0.5  # a confidence below this goes to a person first


@dataclass(frozen=True)
class Checks:
    """What the checks say of one answer; 0 to 1, None: this check cannot judge it."""

    evidence: float | None  # share of its movements that the face's landmarks support
    agreement: float | None  # with the other answers about the face
    label: float | None  # with the label that is known
    reading: float  # 1: one label is read from the text; 0: none, or several
    contradicted: list[str]  # sentences that the landmarks contradict

    @property
    def confidence(self) -> float:
        values = [value for value in (self.evidence, self.agreement, self.label, self.reading) if value is not None]
        return round(sum(values) / len(values), 4)

    def record(self) -> dict[str, Any]:
        """Return the checks as JSON can hold them."""
        return {name: round(v, 4) if isinstance(v, float) else v for name, v in asdict(self).items()}


def check_answer(
    text: str, task: str, face: MeasuredFace | None, others: Sequence[str] = (), label: Label | None = None
) -> Checks:
    """Check one answer by its face's measures, the other answers to the same task, and the known label.

    Evidence is (s + 1) / (s + c + 2) for s supported and c contradicted sentences, Laplace's rule of succession: one
    sentence alone moves it to 2/3 or 1/3, none leaves it out.
    """
    sentences = check_photo(text, face)["sentences"]
    verdicts = [sentence["verdict"] for sentence in sentences]
    supported, contradicted = verdicts.count(SUPPORTED), verdicts.count(CONTRADICTED)
    read = read_text(text, task)
    return Checks(
        evidence=(supported + 1) / (supported + contradicted + 2) if supported + contradicted else None,
        agreement=_mean([overlap(read, read_text(other, task)) for other in others]),
        label=None if label is None else overlap(read, label),
        reading=_readable(text, task, read),
        contradicted=[sentence["sentence"] for sentence in sentences if sentence["verdict"] == CONTRADICTED],
    )


def overlap(one: Label | None, other: Label | None) -> float:
    """Return how far two labels agree: 1 or 0 for emotions; for AUs the shared ones of all named (Jaccard), 1 for none.

    >>> overlap((6, 12), (12, 25))
    0.3333333333333333
    """
    if one is None or other is None or isinstance(one, str) or isinstance(other, str):
        return float(one is not None and one == other)
    named = set(one) | set(other)
    return len(set(one) & set(other)) / len(named) if named else 1.0


def _readable(text: str, task: str, read: Label | None) -> float:
    """1 where a label is read, 0 where none is; 0.5 where the paper's word count reads another emotion."""
    if task == "au" or read is None:
        return float(read is not None)
    return 1.0 if parse_emotion(text, "paper").value == read else 0.5


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
