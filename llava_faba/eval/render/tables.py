"""Scores -> tables for other programs: LaTeX for booktabs, and CSV."""

import csv
import io
from collections.abc import Sequence

from llava_faba.eval.bench import Score, percent, percents
from llava_faba.eval.render.report import Grid, shown
from llava_faba.eval.samples import SUMMARY

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
