"""Scores -> plain text: the table, then for each row of it signature, intervals and what needs a look."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llava_faba.eval.bench import Score, estimand, percents
from llava_faba.eval.published import Published
from llava_faba.eval.samples import RARE
from llava_faba.vocabulary import AU_NAMES

MEASURES = {"s_re": "S_re", "s_ge": "S_ge", "rege": "REGE"}
KINDS = {  # of samples that need a look, as `Score.listed` has them
    "failed": "failed",
    "undecided": "undecided",
    "not_in_s_ge": "not in S_ge",
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


EXPLAINED = (
    "percent. S_re: what was recognised (emotions: accuracy; AUs, facial action units: mean F1). S_ge: ROUGE-L, "
    "likeness of answer and reference text. REGE: S_re + S_ge, 0 to 200."
)
WIDTH = 100  # columns of a terminal that the report fits
_LISTED = 20  # samples of a kind that are named; --per-sample has them all


def text_report(scores: Sequence[Score], table: Grid) -> str:
    """Write everything a reader needs at a terminal, no line wider than 100 columns but for words that are longer."""
    lines: list[str] = []
    for part in _parts(table):
        lines += [*_table(part), ""]
    lines += _wrapped([EXPLAINED, *_au_names(table)])
    for score in scores:
        lines += ["", *_wrapped(_details(score))]
    return "\n".join(lines) + "\n"


def _wrapped(lines: Sequence[str]) -> list[str]:
    """Break what is too long, with what follows indented."""
    wrapped: list[str] = []
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        wrapped += textwrap.wrap(
            line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
        ) or [""]
    return wrapped


def _parts(table: Grid) -> list[Grid]:
    """The table whole, or where it is too wide the measures and then each task's classes; our rows first."""
    whole = table.part(table.columns)
    if max(map(len, _table(whole))) <= WIDTH:
        return [whole]
    parts = [table.part([column for column in table.columns if column[1] in MEASURES])]
    classes = [column for column in table.columns if column[1] not in MEASURES]
    return parts + ([table.part(classes)] if classes else [])


def _au_names(table: Grid) -> list[str]:
    """The FACS names of the table's AUs."""
    numbers = [int(name.removeprefix("AU")) for _, name in table.columns if name not in MEASURES]
    return [f"AUs: {', '.join(f'{au} {AU_NAMES[au]}' for au in numbers)}."] if numbers else []


def _table(table: Grid) -> list[str]:
    top = [""] + [text for name, width in table.spans() for text in [name, *[""] * (width - 1)]]
    rows = [top, ["", *table.heads()]]
    rows += [[row.title, *(shown(row.cells.get(column)) for column in table.columns)] for row in table.rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(top))]
    room = WIDTH - sum(width + 2 for width in widths[1:])
    widths[0] = min(widths[0], max(room, 12))
    lines = []
    for row in rows:
        if len(row[0]) > widths[0]:  # a long name stands on a line of its own
            lines.append(row[0])
            row = ["", *row[1:]]
        lines.append("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip())
    noted: dict[str, list[str]] = {}
    for row in table.rows:
        if row.notes:
            noted.setdefault("; ".join([row.source, *row.notes]), []).append(row.title)
    return lines + _wrapped([f"  {', '.join(titles)}: {note}" for note, titles in noted.items()])


def _details(score: Score) -> list[str]:
    values = score.values
    rare = [f"{c}: {int(n)}" for c, n in zip(score.classes, values["support"], strict=True) if n < RARE]
    lines = [
        score.signature(),
        "  95 % intervals: "
        + ", ".join(f"{name} {_range(percents(score.ci95[key]))}" for key, name in MEASURES.items()),
        f"  S_re is: {estimand(score)}",
        f"  macro F1 {_share(values['macro_f1'])}, micro F1 {_share(values['micro_f1'])}, accuracy "
        f"{_share(values['accuracy'])}; macro F1 without classes of fewer than {RARE} positives "
        f"{_share(values['macro_f1_without_rare'])}" + (f" ({', '.join(rare)})" if rare else ""),
        f"  rouge-score's rougeL {_share(values['rouge_score_l'])}, stemmed {_share(values['rouge_score_l_stemmed'])}",
        f"  {len(score.samples)} samples, {score.count('failed')} failed, {score.count('undecided')} undecided",
    ]
    for number, fold in enumerate(score.folds, start=1):
        measures = ", ".join(f"{name} {_share(fold.values[key])}" for key, name in MEASURES.items())
        lines.append(f"  fold {number}: {len(fold.samples)} samples, {measures}")
    for kind, found in score.listed().items():
        lines += [f"  {KINDS[kind]}: {identity} ({reason})" for identity, reason in found[:_LISTED]]
        if len(found) > _LISTED:
            lines.append(f"  {KINDS[kind]}: and {len(found) - _LISTED} more, which --json lists")
    lines += _probabilities(score.extra.get("probabilities"))
    lines += [f"  {line}" for line in evidence_lines(score.extra.get("evidence"))]
    lines += _paired(score.extra.get("paired"))
    lines += _groups(score.extra.get("groups"))
    return lines


def _probabilities(found: dict[str, Any] | None) -> list[str]:
    if not found:
        return []
    lines = [
        f"  probabilities of {found['n']} samples: mean average precision {shown(found['mean_average_precision'])}, "
        f"calibration error {shown(found['calibration_error'])}, Brier {found['brier']:.3f}, S_re of the most probable "
        f"{shown(found['s_re_of_most_probable'])}",
        f"    the most probable is what was recognised in {shown(found['agreement'])} % of the decisions",
    ]
    if kept := found.get("abstention"):
        lines.append(
            f"    withholding what is below {kept['threshold']:g}: {shown(kept['answered'])} answered, "
            f"S_re {shown(kept['s_re'])}"
        )
    return lines


def evidence_lines(found: dict[str, Any] | None) -> list[str]:
    """Say the evidence rate, where it was asked for, with what other faces would have given."""
    if not found:
        return []
    return [
        f"evidence: {shown(found['rate'])} ({_range(found['ci95'])}) of {found['judged']} sentences that can be judged "
        f"are supported by landmarks; with other samples' faces {shown(found['rate_of_other_faces'])}, gain "
        f"{_signed(found['gain'])} ({_range(found['gain_ci95'])})",
        f"norms: {found['norms']}",
    ]


def _paired(paired: dict[str, Any] | None) -> list[str]:
    if not paired:
        return []
    lines = [f"  against {paired['other']}, on {paired['n']} shared samples ({paired['not_shared']} are in one only):"]
    for key, name in MEASURES.items():
        p = "" if paired["p"][key] is None else f", p {paired['p'][key]:.3f}"
        lines.append(f"    {name} {_signed(paired['difference'][key])} ({_range(paired['ci95'][key])}{p})")
    return lines


def _groups(groups: dict[str, Any] | None) -> list[str]:
    lines = []
    for name, found in (groups or {}).items():
        if "skipped" in found:
            lines.append(f"  by {name}: left out, it has {found['skipped']}")
            continue
        lines.append(f"  S_re by {name}" + (f" ({found['not_listed']} without)" if found["not_listed"] else "") + ":")
        for group, own in found["groups"].items():
            lines.append(f"    {group}: {shown(own['s_re'])} ({_range(own['ci95'])}), {group_size(own)}")
        lines += [f"    {gap_line(found['gap'])}"] if found["gap"] else []
    return lines


def group_size(own: dict[str, Any]) -> str:
    """Say how large a group is, and whether that is too small to compare it."""
    subjects = f" of {own['subjects']} subjects" if "subjects" in own else ""
    return f"{own['n']} samples{subjects}" + (", too small to be compared" if own["too_small"] else "")


def gap_line(gap: dict[str, Any]) -> str:
    """Say the largest gap between groups with its test."""
    aus = f" over the {len(gap['aus'])} AUs that all groups have" if gap["aus"] is not None else ""
    return (
        f"largest gap, {gap['best']} over {gap['worst']}{aus}: {shown(gap['s_re'])} ({_range(gap['ci95'])}), "
        f"p {gap['p']:.3f} that shuffled groups differ as much"
    )


def _share(value: float) -> str:
    return shown(100 * float(value))


def _range(bounds: Sequence[float | None]) -> str:
    return f"{shown(bounds[0])} to {shown(bounds[1])}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"
