"""Scores -> plain text: the table, then for each row of it signature, intervals and what needs a look."""

from collections.abc import Sequence
from typing import Any

from llava_faba.eval.bench import Score, percents
from llava_faba.eval.layout import KINDS, MEASURES, Grid, shown
from llava_faba.eval.tally import RARE

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
