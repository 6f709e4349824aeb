"""Scores -> text: one table in the layout of the paper's Table 7, then intervals, signatures and what needs a look."""

from collections.abc import Sequence

import numpy as np

from llava_faba.eval.bench import RARE, Score

_LISTED = 20  # samples named in the text report; --per-sample has them all


def text_report(scores: Sequence[Score], name: str) -> str:
    """Lay the scores of one model out, a row for each set of rules."""
    by_rules: dict[str, list[Score]] = {}
    for score in scores:
        by_rules.setdefault(score.rules, []).append(score)
    rows = [_row(f"{name} ({rules})", group) for rules, group in by_rules.items()]
    lines = _aligned([*_head(next(iter(by_rules.values()))), *rows])
    for score in scores:
        lines += ["", *_details(score)]
    return "\n".join(lines) + "\n"


def _head(scores: Sequence[Score]) -> list[list[str]]:
    top, bottom = [""], ["Rules"]
    for score in scores:
        names = [*(c.removeprefix("AU") for c in score.classes if score.task == "au"), "S_re", "S_ge", "REGE"]
        top += ["Emotion" if score.task == "emotion" else "AU", *[""] * (len(names) - 1)]
        bottom += names
    return [top, bottom]


def _row(title: str, scores: Sequence[Score]) -> list[str]:
    cells = [title]
    for score in scores:
        values = list(score.values["f1"]) if score.task == "au" else []
        cells += [shown(value) for value in [*values, *(score.values[key] for key in ("s_re", "s_ge", "rege"))]]
    return cells


def shown(share: float) -> str:
    """A share in percent with one decimal, a dash where it is undefined."""
    return "-" if np.isnan(share) else f"{100 * share:.1f}"


def _details(score: Score) -> list[str]:
    rare = [f"{c} ({int(n)})" for c, n in zip(score.classes, score.values["support"], strict=True) if n < RARE]
    lines = [
        score.signature(),
        "  95 % intervals: "
        + ", ".join(
            f"{label} {_interval(score, key)}" for label, key in (("S_re", "s_re"), ("S_ge", "s_ge"), ("REGE", "rege"))
        ),
        f"  macro F1 {shown(score.values['macro_f1'])}, micro F1 {shown(score.values['micro_f1'])}, accuracy "
        f"{shown(score.values['accuracy'])}; without classes of fewer than {RARE} positives "
        f"{shown(score.values['macro_f1_without_rare'])}" + (f" (rare: {', '.join(rare)})" if rare else ""),
        f"  rouge-score's rougeL {shown(score.values['rouge_score_l'])}, stemmed "
        f"{shown(score.values['rouge_score_l_stemmed'])}",
        f"  {len(score.samples)} samples, {score.count('failed')} failed, {score.count('undecided')} undecided",
    ]
    for status in ("failed", "undecided"):
        lines += _listed(status, [(s.answer.id, s.reason) for s in score.samples if s.status == status])
    lines += _listed(
        "left out of S_ge", [(s.answer.id, "a text without words") for s in score.samples if np.isnan(s.texts.rouge_l)]
    )
    lines += _listed(
        "in S_ge, but the rouge package overflows",
        [(s.answer.id, "a very long sentence") for s in score.samples if s.texts.overflow],
    )
    return lines


def _interval(score: Score, key: str) -> str:
    return f"{shown(score.ci95[key][0])} to {shown(score.ci95[key][1])}"


def _listed(title: str, samples: list[tuple[str, str]]) -> list[str]:
    lines = [f"  {title}: {identity} ({reason})" for identity, reason in samples[:_LISTED]]
    if len(samples) > _LISTED:
        lines.append(f"  {title}: and {len(samples) - _LISTED} more; --per-sample lists all")
    return lines


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
