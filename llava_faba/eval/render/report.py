"""Scores -> plain text: the table, then for each row of it signature, intervals and what needs a look."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llava_faba.eval.bench import Score, percent, percents
from llava_faba.eval.published import Published
from llava_faba.eval.samples import RARE, SUMMARY

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


_LISTED = 20  # samples of a kind that are named; --per-sample has them all


def text_report(scores: Sequence[Score], table: Grid) -> str:
    """Write everything a reader needs at a terminal."""
    lines = _table(table)
    for score in scores:
        lines += ["", *_details(score)]
    return "\n".join(lines) + "\n"


def _table(table: Grid) -> list[str]:
    top = [""] + [text for name, width in table.spans() for text in [name, *[""] * (width - 1)]]
    rows = [top, ["", *table.heads()]]
    rows += [[row.title, *(shown(row.cells.get(column)) for column in table.columns)] for row in table.rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(top))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    noted: dict[str, list[str]] = {}
    for row in table.rows:
        if row.notes:
            noted.setdefault("; ".join([row.source, *row.notes]), []).append(row.title)
    return lines + [f"  {', '.join(titles)}: {note}" for note, titles in noted.items()]


def _details(score: Score) -> list[str]:
    values = score.values
    rare = [f"{c}: {int(n)}" for c, n in zip(score.classes, values["support"], strict=True) if n < RARE]
    lines = [
        score.signature(),
        "  95 % intervals: "
        + ", ".join(f"{name} {_range(percents(score.ci95[key]))}" for key, name in MEASURES.items()),
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
        f"{shown(found['s_re_of_most_probable'])}"
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
            lines.append(f"    {group}: {shown(own['s_re'])} ({_range(own['ci95'])}), {own['n']} samples")
        if gap := found["gap"]:
            lines.append(f"    gap, {gap['best']} over {gap['worst']}: {shown(gap['s_re'])} ({_range(gap['ci95'])})")
    return lines


def _share(value: float) -> str:
    return shown(100 * float(value))


def _range(bounds: Sequence[float | None]) -> str:
    return f"{shown(bounds[0])} to {shown(bounds[1])}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"


_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    character: f"\\{character}" for character in "&%$#_{}"
}
_MATHS = {"S_re": "$S_{re}$", "S_ge": "$S_{ge}$", "REGE": "$S_{rege}$"}


def latex_table(table: Grid, scores: Sequence[Score]) -> str:
    """A tabular for booktabs; signatures and the sources of printed rows stand above it as comments."""
    spans, rules, first = [], [], 2
    for name, width in table.spans():
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{name}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    lines = [f"% {score.signature()}" for score in scores]
    lines += [f"% {row.title}: {'; '.join([row.source, *row.notes])}" for row in table.rows if row.source]
    lines += [rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
    lines += [" & ".join(["", *spans]) + r" \\", "".join(rules)]
    lines += [" & ".join(["Method", *(_MATHS.get(head, head) for head in table.heads())]) + r" \\", r"\midrule"]
    for place, row in enumerate(table.rows):
        if row.rules and place and not table.rows[place - 1].rules:
            lines.append(r"\midrule")
        cells = ["--" if (text := shown(row.cells.get(column))) == "-" else text for column in table.columns]
        lines.append(" & ".join([_escaped(row.title), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def csv_table(scores: Sequence[Score]) -> str:
    """Rows of dataset, task, rules, n, class (empty: all), metric, value, low, high, support; percent."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow("dataset task rules n class metric value low high support".split())
    for score in scores:
        head = [score.tally.dataset.name, score.task, score.rules, len(score.samples)]
        for metric in SUMMARY:
            writer.writerow([*head, "", metric, percent(score.values[metric]), *percents(score.ci95[metric]), ""])
        if evidence := score.extra.get("evidence"):
            writer.writerow([*head, "", "evidence_rate", evidence["rate"], *evidence["ci95"], evidence["judged"]])
        for k, name in enumerate(score.classes):
            support = int(score.values["support"][k])
            bounds = percents(score.ci95["f1"][k])
            writer.writerow([*head, name, "f1", percent(score.values["f1"][k]), *bounds, support])
            for metric in ("precision", "recall"):
                writer.writerow([*head, name, metric, percent(score.values[metric][k]), "", "", support])
    return out.getvalue()


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)
