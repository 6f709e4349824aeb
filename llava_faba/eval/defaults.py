"""Answers -> what they are scored as, where the user did not say: FABA-Bench or own data, and by which rules.

FABA-Bench's test split is known by its size, and its files by their references, which are descriptions. The released
code's rules suit such texts; on one-word answers they crash. So data whose references are bare labels, or that have
none, are read by `strict`.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from llava_faba.eval.answers import Answer
from llava_faba.eval.labels import Dataset, dataset_named

FABA_BENCH = {"emotion": 403, "au": 325}  # samples of the test split; arXiv 2404.05052, section 3.1 and Table S1
OWN = "own data"
FEWEST_WORDS = 3  # of a reference that describes; "AU4" is no word

_WORD = re.compile(r"(?<![a-z])(?!aus?(?![a-z]))[a-z]+", re.IGNORECASE)


@dataclass(frozen=True)
class Setting:
    """How a file of answers is scored."""

    dataset: Dataset
    rules: list[str]
    title: str  # of tables and pages: "FABA-Bench", "bp4d", "own data"
    note: str  # one line: which data and which rules, and why
    warning: str = ""  # for printed numbers beside these


def setting_of(answers: Sequence[Answer], dataset: str | None = None, rules: Sequence[str] | None = None) -> Setting:
    """Choose data set and rules; what is given is kept.

    >>> said = Answer("1", "1.jpg", "emotion", "?", "Happiness", "Happiness", "Happiness", "line 1")
    >>> (setting_of([said]).title, setting_of([said]).rules)
    ('own data', ['strict'])
    """
    counts = Counter(answer.task for answer in answers)
    chosen, described = dataset_named(dataset or "faba"), are_descriptions(answers)
    whole = described and all(counts[task] == FABA_BENCH[task] for task in counts)
    title = "FABA-Bench" if whole or dataset == "faba" else dataset or OWN
    if rules:
        taken, why = list(rules), "as --rules says"
    elif dataset:
        taken, why = [chosen.rules], f"those of {dataset}"
    elif described:
        taken, why = ["emola"], "since the references are descriptions, as in FABA-Bench's files"
    else:
        taken, why = ["strict"], "since the references are labels, not FABA-Bench's descriptions"
    sizes = " and ".join(f"{count} {_TASKS[task]}" for task, count in sorted(counts.items(), reverse=True))
    note = f"{title}: {sizes} samples; rules {', '.join(taken)}, {why}" + ("" if rules else " (--rules for others)")
    return Setting(chosen, taken, title, note, _warning(counts, chosen, whole))


def are_descriptions(answers: Sequence[Answer]) -> bool:
    """Whether most references of every task are sentences, not labels."""
    described: dict[str, list[bool]] = {}
    for answer in answers:
        words = sum(1 for _ in islice(_WORD.finditer(answer.reference), FEWEST_WORDS))
        described.setdefault(answer.task, []).append(words >= FEWEST_WORDS)
    return all(2 * sum(found) > len(found) for found in described.values())


def _warning(counts: Counter[str], dataset: Dataset, whole: bool) -> str:
    if dataset.name != "faba" or whole:
        return ""
    expected = ", ".join(f"{FABA_BENCH[task]} {_TASKS[task]}" for task in sorted(counts, reverse=True))
    return (
        f"the printed numbers are of FABA-Bench's test split ({expected} samples); yours are of other samples, so the "
        "rows cannot be compared"
    )


_TASKS = {"emotion": "emotion", "au": "AU"}
