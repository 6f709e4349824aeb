"""What is known of a clip -> HTML that reads well on paper, on a phone and aloud; nothing by colour alone."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from llava_faba.demo.clip_service import Progress, ReadClip
from llava_faba.evidence.motion import CONTRADICTED, NOT_MEASURABLE, SUPPORTED
from llava_faba.motion.measures import Motion
from llava_faba.vocabulary import MAX_SEVERITY

# The five grades of item 3.2 (facial expression) of MDS-UPDRS (Goetz et al. 2008, doi 10.1002/mds.22340).
GRADES = ("normal", "slight", "mild", "moderate", "severe")
MARKS = {SUPPORTED: ("✓", "yes"), CONTRADICTED: ("✗", "no"), NOT_MEASURABLE: ("?", "open")}  # sign, class
IN_ALT = ("mouth_corner_left", "mouth_corner_right", "mouth_opening", "brow_left", "brow_right")
EMPTY = "<p class='faba-note'>Choose a clip, then press {button}.</p>"


def progress_html(progress: Progress) -> str:
    """How far the reading is, with its rate and the time left."""
    said = [f"Frame {progress.frames}", f"{progress.rate:.0f} a second"]
    if progress.left is not None:
        said.append(f"about {max(1, round(progress.left))} s left")
    if progress.search > 1:
        said.append(f"a face is missing in many frames, search {progress.search} of 3 looks there for a smaller one")
    value = "" if progress.part is None else f" value='{progress.part:.3f}'"
    return f"<progress max='1'{value} aria-label='Reading the clip'></progress><p>Reading. {', '.join(said)}.</p>"


def read_html(read: ReadClip) -> str:
    """What was read, and that the file is gone."""
    clip = read.clip
    regions = ", ".join(f"{region} {share:.0%}" for region, share in clip.region_valid_share.items())
    length = float(clip.times[-1] - clip.times[0])
    return (
        f"<p><b>{escape(clip.path.name)}</b>: {clip.frames} frames in {length:.1f} s. The face is seen in "
        f"{clip.valid_share:.0%} of them ({regions}). The file has been deleted.</p>"
    )


def warnings_html(warnings: Sequence[str]) -> str:
    """What makes the clip hard to read: times without a face, covered parts, cuts."""
    said = "".join(f"<li>{escape(text)}</li>" for text in warnings)
    return f"<ul class='faba-warning' role='alert'>{said}</ul>" if said else ""


def severity_html(record: Mapping[str, Any]) -> str:
    """The severity on its scale with the interval, its method, and what to know of the model; "" without a model."""
    severity, interval, model = record["severity"], record["interval"], record["model"]
    if model is None:
        return ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in model["notes"])
    if severity is None:
        return f"<section class='faba-severity'><ul class='faba-warning'>{notes}</ul></section>"
    grade = GRADES[min(MAX_SEVERITY, max(0, round(severity)))]
    title = f"Severity of {escape(_words(model['expression']))}: <b>{severity:.2f}</b> of {MAX_SEVERITY}, about {grade}"
    around, band = "No interval: this model was never validated.", ""
    if interval:
        low, high = interval["low"], interval["high"]
        around = f"{interval['level']:.0%} interval: {low:.2f} to {high:.2f} ({escape(interval['method'])})."
        band = f"<i class='faba-band' style='left:{_at(low):.1f}%;width:{_at(high) - _at(low):.1f}%'></i>"
    ticks = "".join(f"<li><b>{number}</b> <span>{name}</span></li>" for number, name in enumerate(GRADES))
    return (
        f"<section class='faba-severity'><h3>{title}</h3>"
        f"<div class='faba-scale' aria-hidden='true'>{band}<i class='faba-point' style='left:{_at(severity):.1f}%'></i>"
        f"</div><ol class='faba-ticks' aria-hidden='true'>{ticks}</ol><p>{around}</p>"
        + (f"<ul class='faba-warning'>{notes}</ul>" if notes else "")
        + "</section>"
    )


def report_html(record: Mapping[str, Any]) -> str:
    """The report: as it streams in plain text, when it is done each sentence with its verdict and the reason."""
    title, evidence = "<h3>Report</h3>", record["evidence"]
    if record["report"] is None:
        return ""
    if evidence is None:
        said = f"<p class='faba-text'>{escape(record['report'])} …</p>"
    elif not evidence["sentences"]:
        said = (
            f"<p class='faba-note'>The model said nothing that is a sentence: {escape(record['report'][:200])!r}.</p>"
        )
    else:
        items = "".join(_sentence(judged) for judged in evidence["sentences"])
        rate = evidence["rate"]
        share = (
            "No sentence can be judged by" if rate is None else f"{rate:.0%} of the sentences that can be judged fit"
        )
        said = f"<ol class='faba-report'>{items}</ol><p class='faba-note'>{share} the measured motion.</p>"
    return f"<section class='faba-labels' aria-live='polite'>{title}{said}</section>"


def motion_html(motion: Motion) -> str:
    """The measured motion as a table with units; where a value is missing, the reason."""
    rows = []
    for name, measured in motion.values.items():
        value = "not measured" if measured["value"] is None else f"{measured['value']:.4g}"
        unit = motion.reasons.get(name) or measured["unit"]
        rows.append(f"<tr><th scope='row'>{escape(_words(name))}</th><td>{value}</td><td>{escape(unit)}</td></tr>")
    return (
        "<div class='faba-wide'><table class='faba-table'><caption>Measured motion; left and right as in the picture."
        "</caption><thead><tr><th scope='col'>Movement</th><th scope='col'>Value</th>"
        f"<th scope='col'>Unit, or why not</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def alt_text(read: ReadClip) -> str:
    """The plot in words."""
    sizes = []
    for name in IN_ALT:
        value = read.motion.values[f"{name}_amplitude"]["value"]
        sizes.append(f"{_words(name)} {'not measured' if value is None else f'{value:.2f}'}")
    blinks = read.motion.values["blink_count"]["value"]
    counted = "not counted" if blinks is None else f"{blinks:.0f}"
    return (
        f"Motion of the face over {read.clip.times[-1] - read.clip.times[0]:.1f} s, curves with grey gaps where it is "
        f"not seen. Amplitudes in inter-ocular distances: {', '.join(sizes)}. Blinks: {counted}."
    )


def _sentence(judged: Mapping[str, str]) -> str:
    sign, kind = MARKS[judged["verdict"]]
    return (
        f"<li class='faba-{kind}' title='{escape(judged['reason'])}'>{escape(judged['sentence'])} "
        f"<span class='faba-verdict'><span aria-hidden='true'>{sign}</span> {judged['verdict']}</span>"
        f"<small>{escape(judged['reason'])}</small></li>"
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _at(severity: float) -> float:
    """A severity's place on the scale, in per cent."""
    return 100 * min(max(severity, 0.0), MAX_SEVERITY) / MAX_SEVERITY
