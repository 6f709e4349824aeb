"""Scores and printed numbers -> one table in the layout of the paper's Table 7: emotion, then each AU, then AU."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from llava_faba.eval.bench import Score
from llava_faba.eval.published import Published

MEASURES = {"s_re": "S_re", "s_ge": "S_ge", "rege": "REGE"}
KINDS = {  # of samples that need a look, as `Score.listed` has them
    "failed": "failed",
    "undecided": "undecided",
    "not_in_s_ge": "not in S_ge",
    "rouge_overflow": "very long",
    "label_lost": "label not read",
}
TASK_NAMES = {"emotion": "Emotion", "au": "AU"}

Column = tuple[str, str]  # task, and "s_re", "s_ge", "rege" or an AU


@dataclass
class Row:
    """A line of the table: percent, None where there is no number."""

    title: str
    cells: dict[Column, float | None] = field(default_factory=dict)
    source: str = ""  # of printed rows
    rules: str = ""  # of ours
    notes: list[str] = field(default_factory=list)


@dataclass
class Grid:
    """The table."""

    columns: list[Column]
    rows: list[Row]

    def heads(self) -> list[str]:
        """Name each column: "1", "43", "S_re"."""
        return [MEASURES.get(name, name.removeprefix("AU")) for _, name in self.columns]

    def spans(self) -> list[tuple[str, int]]:
        """Name the tasks over the columns, with how many columns each has."""
        tasks = list(dict.fromkeys(task for task, _ in self.columns))
        return [(TASK_NAMES[task], sum(own == task for own, _ in self.columns)) for task in tasks]

    def part(self, columns: Sequence[Column]) -> "Grid":
        """The table of some columns only, with the rows that have a number there, ours first."""
        rows = [row for row in self.rows if any(row.cells.get(column) is not None for column in columns) or row.rules]
        return Grid(list(columns), sorted(rows, key=lambda row: not row.rules))


def grid(scores: Sequence[Score], name: str, printed: Sequence[Published] = ()) -> Grid:
    """Lay out one model's scores, a row for each set of rules, under the printed rows of the same tasks."""
    tasks = {score.task: score for score in scores}
    columns: list[Column] = []
    for task, score in sorted(tasks.items(), key=lambda item: item[0] != "emotion"):
        columns += [(task, au) for au in score.classes if task == "au"] + [(task, key) for key in MEASURES]
    rows: dict[str, Row] = {}
    for found in printed:
        if found.task in tasks:
            title = f"{found.method} ({found.table})" if found.table else found.method
            row = rows.setdefault(f"{title} {found.source}", Row(title, source=found.source))
            row.cells |= {(found.task, key): value for key, value in (found.values | found.per_class).items()}
            row.notes += [found.note] if found.note and found.note not in row.notes else []
    for score in scores:
        row = rows.setdefault(f"rules {score.rules}", Row(f"{name} ({score.rules})", rules=score.rules))
        shares = {key: score.values[key] for key in MEASURES} | dict(
            zip(score.classes, score.values["f1"], strict=True)
        )
        row.cells |= {(score.task, key): None if np.isnan(v) else 100 * float(v) for key, v in shares.items()}
    return Grid(columns, list(rows.values()))


def shown(value: float | None, digits: int = 1) -> str:
    """A number in percent as it is printed; a dash where there is none."""
    return "-" if value is None or np.isnan(value) else f"{value:.{digits}f}"
