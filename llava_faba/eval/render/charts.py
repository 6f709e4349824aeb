"""Numbers -> pieces of a page: bars that stay readable on a phone are HTML, histograms and reliability are SVG."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from llava_faba.eval.bench import Score, percents
from llava_faba.eval.render.report import shown
from llava_faba.vocabulary import AU_NAMES, EMOTIONS


def class_bars(scores: Sequence[Score]) -> str:
    """F1 of each class with its interval and support, one bar for each set of rules."""
    rows = []
    for k, name in enumerate(scores[0].classes):
        title = AU_NAMES[int(name[2:])] if name.startswith("AU") else ""
        support = int(scores[0].values["support"][k])
        bars = "".join(_bar(score, k, place) for place, score in enumerate(scores))
        rows.append(
            f'<div class="class"><div class="name"><b>{name}</b> <span>{title}</span> <i>{support}</i></div>'
            f'<div class="bars">{bars}</div></div>'
        )
    return f'<div class="chart">{"".join(rows)}</div>'


def _bar(score: Score, k: int, place: int) -> str:
    f1, (low, high) = 100 * score.values["f1"][k], percents(score.ci95["f1"][k])
    if np.isnan(f1):
        return f'<div class="bar r{place}"><em>no F1</em></div>'
    whisker = "" if low is None else f'<u style="left:{low:.1f}%;width:{max(high - low, 0.3):.1f}%"></u>'
    text = f"{f1:.1f} ({shown(low)} to {shown(high)})"
    return (
        f'<div class="bar r{place}" title="{escape(score.rules)}: {text}"><div class="track">'
        f'<s style="width:{f1:.1f}%"></s>{whisker}</div><em>{f1:.1f}</em></div>'
    )


def legend(names: Sequence[str]) -> str:
    """The colours of the sets of rules."""
    return (
        '<p class="legend">'
        + "".join(f'<span class="r{k}"><s></s>{escape(n)}</span>' for k, n in enumerate(names))
        + "</p>"
    )


def confusion(score: Score) -> str:
    """Emotion confusion matrix: rows are labels, columns what was recognised; shaded by the share of the row."""
    columns = (*EMOTIONS, None)
    counts = {(row, column): 0 for row in EMOTIONS for column in columns}
    for sample in score.samples:
        counts[sample.label, sample.recognised] += 1
    head = "".join(f"<th>{column or 'nothing'}</th>" for column in columns)
    body = []
    for row in EMOTIONS:
        total = sum(counts[row, column] for column in columns)
        cells = "".join(_cell(counts[row, column], total, row == column) for column in columns)
        body.append(f"<tr><th>{row}</th>{cells}<td>{total}</td></tr>")
    return (
        f'<div class="wide"><table class="confusion"><tr><th>label \\ recognised</th>{head}<th>all</th></tr>'
        f"{''.join(body)}</table></div>"
    )


def _cell(count: int, total: int, right: bool) -> str:
    share = count / total if total else 0
    return f'<td class="{"right" if right else "wrong"}" style="--share:{share:.2f}">{count or ""}</td>'


def au_counts(score: Score) -> str:
    """How often each AU was found, invented and missed."""
    columns = score.columns().sum(axis=0)
    tp, fp, fn, tn = (part.astype(int) for part in score.tally.counts(columns))
    rows = "".join(
        f"<tr><th>{name}</th><td>{tp[k]}</td><td>{fp[k]}</td><td>{fn[k]}</td><td>{tn[k]}</td>"
        f"<td>{shown(100 * score.values['precision'][k])}</td><td>{shown(100 * score.values['recall'][k])}</td></tr>"
        for k, name in enumerate(score.classes)
    )
    return (
        '<div class="wide"><table><tr><th></th><th>found</th><th>invented</th><th>missed</th><th>rightly absent</th>'
        f"<th>precision</th><th>recall</th></tr>{rows}</table></div>"
    )


def histogram(values: Sequence[float], title: str, upper: float | None = None) -> str:
    """Twenty bins from 0 to `upper`, or to the largest value."""
    numbers = np.array([value for value in values if not np.isnan(value)])
    if not len(numbers):
        return ""
    top = upper or max(float(numbers.max()), 1.0)
    counts, edges = np.histogram(numbers, bins=20, range=(0, top))
    heights = 110 * counts / counts.max()
    bars = "".join(
        f'<rect x="{10 + 17 * k}" y="{130 - heights[k]:.1f}" width="15" height="{heights[k]:.1f}">'
        f"<title>{edges[k]:g} to {edges[k + 1]:g}: {count}</title></rect>"
        for k, count in enumerate(counts)
    )
    marks = "".join(
        f'<text x="{10 + 340 * part:.0f}" y="147" text-anchor="{anchor}">{top * part:.3g}</text>'
        for part, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    return (
        f"<figure><figcaption>{escape(title)}: median {np.median(numbers):.3g}, {len(numbers)} samples</figcaption>"
        f'<svg viewBox="0 0 360 152" role="img" aria-label="{escape(title)}">{bars}'
        f'<path d="M10 130H350"/>{marks}</svg></figure>'
    )


def reliability_plot(found: dict[str, Any], title: str) -> str:
    """Share that was right over mean probability; circles grow with their count, the diagonal is what should be."""
    most = max(one["n"] for one in found["reliability"])
    points = "".join(
        f'<circle cx="{40 + 280 * one["probability"]:.1f}" cy="{290 - 280 * one["right"]:.1f}" '
        f'r="{3 + 9 * (one["n"] / most) ** 0.5:.1f}"><title>{one["low"]:g} to {one["high"]:g}: {one["n"]} decisions, '
        f"probability {one['probability']:.2f}, right {one['right']:.2f}</title></circle>"
        for one in found["reliability"]
    )
    marks = "".join(
        f'<text x="{40 + 280 * v:.0f}" y="308" text-anchor="middle">{v:g}</text>'
        f'<text x="34" y="{294 - 280 * v:.0f}" text-anchor="end">{v:g}</text>'
        for v in (0, 0.5, 1)
    )
    return (
        f"<figure><figcaption>{escape(title)}: probability (across) against the share that was right (up); "
        f"calibration error {shown(found['calibration_error'])}, mean average precision "
        f"{shown(found['mean_average_precision'])}</figcaption>"
        f'<svg viewBox="0 0 340 316" role="img" aria-label="reliability of {escape(title)}">'
        f'<path d="M40 10V290H320"/><path class="ideal" d="M40 290L320 10"/>{points}{marks}</svg></figure>'
    )


STYLE = """
:root{--ink:#1c2128;--soft:#57606a;--line:#d0d7de;--back:#fff;--r0:#0b6bcb;--r1:#c2540a;--r2:#1a7f37;--card:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--line:#3d444d;--back:#0d1117;--r0:#58a6ff;
--r1:#f0883e;--r2:#56d364;--card:#161b22}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back)}
body{max-width:1200px;margin:0 auto;padding:16px}
h1{font-size:1.6rem;line-height:1.2;overflow-wrap:anywhere}h2{margin-top:2.5rem;border-bottom:2px solid var(--line)}
h3{margin:2rem 0 .5rem}h4{margin:0;font-size:.8rem;color:var(--soft)}
code{font-size:.85rem;overflow-wrap:anywhere}small{display:block;color:var(--soft);font-size:.7rem;font-weight:400}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:4px 8px;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
.grid td{min-width:3.1rem}.grid td,.grid th{padding:4px 5px}.notes{list-style:none;padding:0;font-size:.8rem}
.notes{color:var(--soft)}
th:first-child{text-align:left;min-width:9rem;position:sticky;left:0;background:var(--back)}
tr.ours{font-weight:600}tr.printed,tr.printed th{color:var(--soft);font-weight:400}sup{line-height:0}
th[colspan]{text-align:center}
.chart{max-width:900px}
.class{display:flex;gap:12px;padding:5px 0;border-bottom:1px solid var(--line);align-items:center}
.name{flex:0 0 230px;font-size:.9rem}.name span{color:var(--soft)}
.name i{font-style:normal;color:var(--soft);float:right}.name i:before{content:"n = "}
.bars{flex:1;min-width:0}.bar{display:flex;align-items:center;gap:8px;margin:2px 0}
.track{position:relative;flex:1;height:12px;background:var(--card);border-radius:2px}
.bar em{font:normal .8rem system-ui;width:3.2rem;text-align:right;white-space:nowrap}
.bar s{position:absolute;left:0;top:0;height:100%;border-radius:2px;opacity:.75}
.bar u{position:absolute;top:5px;height:2px;background:var(--ink)}
.r0 s{background:var(--r0)}.r1 s{background:var(--r1)}.r2 s{background:var(--r2)}
.legend span{margin-right:18px}
.legend s{display:inline-block;width:14px;height:14px;margin-right:6px;vertical-align:-2px}
.confusion td.right{background:color-mix(in srgb,var(--r2) calc(var(--share)*70%),transparent)}
.confusion td.wrong{background:color-mix(in srgb,var(--r1) calc(var(--share)*70%),transparent)}
.figures{display:flex;flex-wrap:wrap;gap:24px;margin-top:1.5rem}figure{margin:0;flex:1 1 300px;max-width:420px}
figcaption{font-size:.85rem;color:var(--soft)}
svg{width:100%;height:auto}svg text{font:12px system-ui;fill:var(--soft)}svg rect,svg circle{fill:var(--r0);opacity:.8}
svg path{stroke:var(--soft);fill:none}svg .ideal{stroke-dasharray:4 4}
article{display:flex;flex-wrap:wrap;gap:8px 20px}
article{background:var(--card);border-radius:6px;padding:12px 16px;margin:10px 0}
article>div{flex:2 1 280px;min-width:0;overflow-wrap:anywhere}article .facts{flex:1 1 200px}
article p{margin:.2rem 0;white-space:pre-line;font-size:.88rem}article img{width:96px;height:96px;object-fit:cover}
article ul{padding-left:1.1rem;margin:.3rem 0;font-size:.88rem}li.right::marker{color:var(--r2);content:"\\2713 "}
li.wrong::marker{color:var(--r1);content:"\\2717 "}details{margin:.3rem 0}footer{margin:3rem 0 1rem;color:var(--soft)}
@media(max-width:600px){body{padding:10px}.class{display:block}.name{margin-bottom:2px}th,td{padding:3px 5px}
table,.confusion{font-size:.8rem}.grid td{min-width:2.5rem}.grid td,.grid th{padding:3px}.grid small{font-size:.6rem}
th:first-child{min-width:5.2rem}.confusion tr:first-child th:not(:first-child){writing-mode:vertical-rl;text-align:left}
.confusion th,.confusion td{padding:3px 4px}}
"""
