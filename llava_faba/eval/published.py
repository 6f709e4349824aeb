"""The numbers that are in print, with their source, to be set beside ours (`score --compare`); percent.

They are rows of published.csv. `arXiv 2404.05052` is "Facial Affective Behavior Analysis with Instruction Tuning"
(ECCV 2024), `Table S4` one of its supplement. A row without a table is later work, or a file that EmoLA's authors
published; its note says where its protocol differs from the released scorer's.
"""

import csv
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("published.csv")
VALUES = ("s_re", "s_ge", "rege")


@dataclass(frozen=True)
class Published:
    """One printed row of one task."""

    dataset: str
    task: str
    method: str
    table: str  # "Table 7", "Table S4"
    values: dict[str, float] = field(default_factory=dict)  # s_re, s_ge, rege
    per_class: dict[str, float] = field(default_factory=dict)  # "AU1" -> F1
    source: str = ""
    note: str = ""  # where the protocol differs from the released scorer's

    def as_json(self) -> dict[str, Any]:
        """What `score --compare --json` says of it."""
        kept = ("method", "table", "values", "per_class", "source", "note")
        return {key: getattr(self, key) for key in kept}


def published(dataset: str | None = None) -> list[Published]:
    """Return the printed rows of one data set, or of all, in the order of the tables."""
    return [row for row in _rows() if dataset in (None, row.dataset)]


@cache
def _rows() -> tuple[Published, ...]:
    with open(FILE, encoding="utf-8", newline="") as file:
        return tuple(_row(cells) for cells in csv.DictReader(file))


def _row(cells: dict[str, str]) -> Published:
    numbers = {name: float(cells[name]) for name in cells if name in VALUES or name.startswith("AU") if cells[name]}
    return Published(
        **{key: cells[key] for key in ("dataset", "task", "method", "table", "source", "note")},
        values={name: value for name, value in numbers.items() if name in VALUES},
        per_class={name: value for name, value in numbers.items() if name not in VALUES},
    )
