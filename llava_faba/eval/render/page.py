"""Scores -> one self-contained HTML page: no script, nothing fetched; for a colleague, on a screen or a phone."""

from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from llava_faba import __version__
from llava_faba.eval.answers import TASKS, Answer
from llava_faba.eval.bench import Score, estimand, percents
from llava_faba.eval.defaults import OWN, Setting
from llava_faba.eval.render import charts
from llava_faba.eval.render.charts import STYLE
from llava_faba.eval.render.report import (
    EXPLAINED,
    KINDS,
    MEASURES,
    TASK_NAMES,
    Grid,
    evidence_lines,
    gap_line,
    group_size,
    shown,
)
from llava_faba.eval.samples import RARE, Sample

WORST, BEST = 20, 10
_TEXT_SHOWN = 6000  # characters of a text on the page

Picture = Callable[[Answer], str | None]  # a thumbnail as a data URI, or None


def html_page(
    scores: Sequence[Score],
    table: Grid,
    name: str,
    setting: Setting,
    compared: bool = False,
    picture: Picture | None = None,
) -> str:
    """Build the page; `compared` says that printed rows are in the table, `picture` adds thumbnails of the samples."""
    protocol = f"Published protocol: {setting.dataset.protocol}. " if setting.title != OWN else ""
    warning = f'<p class="warning">Warning: {escape(setting.warning)}.</p>' if compared and setting.warning else ""
    summary = table.part([column for column in table.columns if column[1] in MEASURES])
    sections = [_section([s for s in scores if s.task == task], table, picture) for task in TASKS]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(name)}: {escape(setting.title)}</title>'
        f"<style>{STYLE}</style></head><body>"
        f"<h1>{escape(name)} on {escape(setting.title)}</h1>"
        f"<p>{escape(setting.note)}. {escape(protocol)}Small numbers are 95 % bootstrap intervals.</p>"
        f"<p>All numbers are {escape(EXPLAINED)}</p>{warning}"
        f"{_grid(summary, scores)}{''.join(sections)}"
        f"<footer>llava-faba {__version__}. REGE: arXiv 2404.05052; ROUGE-L as the PyPI package rouge 1.0.1 has it."
        "</footer></body></html>\n"
    )


def _grid(table: Grid, scores: Sequence[Score]) -> str:
    """The table with our intervals; sources and notes of printed rows are footnotes."""
    intervals = {
        (score.rules, score.task, key): percents(bounds)
        for score in scores
        for key, bounds in [*score.ci95.items(), *zip(score.classes, score.ci95["f1"], strict=True)]
        if key != "f1"
    }
    footnotes: dict[str, str] = {}
    rows = []
    for row in table.rows:
        cells = "".join(
            f"<td>{shown(row.cells.get(column))}{_small(intervals.get((row.rules, *column)))}</td>"
            for column in table.columns
        )
        mark = ""
        if row.source:
            letter = footnotes.setdefault("; ".join([row.source, *row.notes]), chr(ord("a") + len(footnotes)))
            mark = f"<sup>{letter}</sup>"
        rows.append(f'<tr class="{"ours" if row.rules else "printed"}"><th>{escape(row.title)}{mark}</th>{cells}</tr>')
    spans = "".join(f'<th colspan="{width}">{name}</th>' for name, width in table.spans())
    heads = "".join(f"<th>{escape(head)}</th>" for head in table.heads())
    notes = "".join(f"<li><sup>{letter}</sup> {escape(text)}</li>" for text, letter in footnotes.items())
    return (
        f'<div class="wide"><table class="grid"><tr><th></th>{spans}</tr><tr><th></th>{heads}</tr>{"".join(rows)}'
        f'</table></div><ul class="notes">{notes}</ul>'
    )


def _small(bounds: list[float | None] | None) -> str:
    return "" if not bounds or None in bounds else f"<small>{shown(bounds[0])}&ndash;<wbr>{shown(bounds[1])}</small>"


def _section(scores: Sequence[Score], table: Grid, picture: Picture | None) -> str:
    if not scores:
        return ""
    first = scores[0]
    parts = [f"<h2>{TASK_NAMES[first.task]}</h2>", *map(_facts, scores)]
    parts += [
        "<h3>F1 of each class, with support</h3>",
        charts.legend([s.rules for s in scores]),
        charts.class_bars(scores),
    ]
    if first.task == "au":
        parts.append(_grid(table.part([column for column in table.columns if column[1] in first.classes]), scores))
    for score in scores:
        parts.append(f"<h3>{'Confusion' if score.task == 'emotion' else 'Counts'}, rules {score.rules}</h3>")
        parts.append(charts.confusion(score) if score.task == "emotion" else charts.au_counts(score))
    words = [float(len(sample.answer.answer.split())) for sample in first.samples]
    rouge = [100 * sample.likeness.rouge_l for sample in first.samples]
    parts.append('<div class="figures">')
    parts.append(charts.histogram(words, "Words of an answer"))
    parts.append(charts.histogram(rouge, "ROUGE-L of an answer, percent", 100))
    if probabilities := first.extra.get("probabilities"):
        parts.append(charts.reliability_plot(probabilities, TASK_NAMES[first.task]))
    parts.append("</div>")
    parts += [_comparisons(score) for score in scores]
    merit = np.mean([[_merit(sample) for sample in score.samples] for score in scores], axis=0)
    ranked = sorted(range(len(merit)), key=lambda k: (merit[k], first.samples[k].id))
    best = ranked[WORST:][::-1][:BEST]
    for title, places in (
        (f"The {len(ranked[:WORST])} worst samples", ranked[:WORST]),
        (f"The {len(best)} best", best),
    ):
        if places:
            parts.append(f"<h3>{title}</h3>")
            parts += [_card([(score.rules, score.samples[k]) for score in scores], picture) for k in places]
    return f"<section>{''.join(parts)}</section>"


def _facts(score: Score) -> str:
    """Signature, side numbers and the samples that need a look."""
    values = score.values
    rare = [f"{c} ({int(n)})" for c, n in zip(score.classes, values["support"], strict=True) if n < RARE]
    text = (
        f"{len(score.samples)} samples, {score.count('failed')} failed, {score.count('undecided')} undecided. "
        f"Macro F1 {shown(100 * float(values['macro_f1']))}, micro F1 {shown(100 * float(values['micro_f1']))}; macro "
        f"F1 without classes of fewer than {RARE} positives {shown(100 * float(values['macro_f1_without_rare']))}"
        f"{' (without ' + ', '.join(rare) + ')' if rare else ''}. rouge-score's rougeL "
        f"{shown(100 * float(values['rouge_score_l']))}, stemmed {shown(100 * float(values['rouge_score_l_stemmed']))}."
    )
    lists = "".join(
        f"<details><summary>{len(found)} {KINDS[kind]}</summary><ul>"
        + "".join(f"<li><b>{escape(identity)}</b>: {escape(reason)}</li>" for identity, reason in found)
        + "</ul></details>"
        for kind, found in score.listed().items()
        if found
    )
    evidence = "".join(f"<br>{escape(line)}" for line in evidence_lines(score.extra.get("evidence")))
    about = f"S_re is: {estimand(score)}."
    return f"<p><code>{escape(score.signature())}</code><br>{escape(about)}<br>{escape(text)}{evidence}</p>{lists}"


def _comparisons(score: Score) -> str:
    """Folds, the paired difference and groups, where they were asked for."""
    parts = []
    if score.folds:
        rows = [[f"fold {k}", *(f.values[key] * 100 for key in MEASURES)] for k, f in enumerate(score.folds, start=1)]
        parts.append(_table(f"Folds, rules {score.rules}", ["", *MEASURES.values()], rows))
    if paired := score.extra.get("paired"):
        rows = [
            [name, paired["difference"][key], _span(paired["ci95"][key]), f"{paired['p'][key]:.3f}"]
            for key, name in MEASURES.items()
            if paired["p"][key] is not None
        ]
        title = f"Difference to {paired['other']}, rules {score.rules}, {paired['n']} shared samples"
        parts.append(_table(title, ["", "difference", "95 % interval", "p"], rows))
    for column, found in score.extra.get("groups", {}).items():
        if "skipped" in found:
            continue
        rows = [[group, group_size(own), own["s_re"], _span(own["ci95"])] for group, own in found["groups"].items()]
        parts.append(_table(f"S_re by {column}, rules {score.rules}", ["", "", "S_re", "95 % interval"], rows))
        parts += [f"<p>{escape(gap_line(found['gap']))}</p>"] if found["gap"] else []
    return "".join(parts)


def _table(title: str, head: list[str], rows: list[list[object]]) -> str:
    def cell(value: object) -> str:
        return shown(value) if value is None or isinstance(value, float | np.floating) else escape(str(value))

    body = "".join(
        f"<tr><th>{cell(row[0])}</th>{''.join(f'<td>{cell(value)}</td>' for value in row[1:])}</tr>" for row in rows
    )
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f'<h3>{escape(title)}</h3><div class="wide"><table><tr>{heads}</tr>{body}</table></div>'


def _span(bounds: Sequence[float | None]) -> str:
    return f"{shown(bounds[0])} to {shown(bounds[1])}"


def _merit(sample: Sample) -> float:
    """A sample's own REGE: right or the overlap of its AUs (Jaccard), plus ROUGE-L; 0..2."""
    if isinstance(sample.label, tuple) and sample.recognised is not None:
        label, found = set(sample.label), set(sample.recognised)
        right = len(label & found) / len(label | found) if label | found else 1.0
    else:
        right = float(sample.correct)
    return right + float(np.nan_to_num(sample.likeness.rouge_l))


def _card(readings: Sequence[tuple[str, Sample]], picture: Picture | None) -> str:
    sample = readings[0][1]
    image = picture(sample.answer) if picture else None
    thumbnail = f'<img src="{image}" alt="{escape(sample.id)}">' if image else ""
    read = "".join(
        f'<li class="{"right" if own.correct else "wrong"}">{escape(rules)}: {escape(_said(own))}</li>'
        for rules, own in readings
    )
    rouge = shown(100 * sample.likeness.rouge_l)
    return (
        f'<article>{thumbnail}<div class="facts"><b>{escape(sample.id)}</b><ul>'
        f"<li>label: {escape(_listing(sample.label))}</li>{read}"
        f"<li>ROUGE-L {rouge}</li></ul></div>"
        f"<div><h4>answer</h4>{_text(sample.answer.answer)}</div><div><h4>reference</h4>"
        f"{_text(sample.answer.reference)}</div></article>"
    )


def _said(sample: Sample) -> str:
    return f"nothing ({sample.reason})" if sample.recognised is None else _listing(sample.recognised)


def _listing(value: str | tuple[int, ...]) -> str:
    return value if isinstance(value, str) else ", ".join(f"AU{au}" for au in value) or "no AU"


def _text(text: str) -> str:
    cut = text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN]} [... {len(text) - _TEXT_SHOWN} more characters]"
    return f"<p>{escape(cut)}</p>" if cut.strip() else "<p><i>empty</i></p>"
