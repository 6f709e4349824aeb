"""Answer text -> the labels beside it: what the strict rules recognise in it, how likely the model finds each."""

from collections.abc import Mapping
from html import escape
from typing import Any

from llava_faba.eval.lexicon import AU_NAMES
from llava_faba.faces import Turn

SHOWN = 8  # of the AUs' probabilities, the highest; recognised ones always


def labels_of(turns: list[Turn]) -> dict[str, Any]:
    """What is recognised in a conversation: the last emotion and the last AUs that an answer names."""
    from llava_faba.photo import recognised  # here, because it brings torch, and the page is to be up before it

    found: dict[str, Any] = {"emotion": None, "aus": []}
    for turn in turns:
        found["emotion"] = recognised("emotion", turn.answer) or found["emotion"]
        found["aus"] = recognised("au", turn.answer) or found["aus"]
    return found


def au_name(number: int) -> str:
    """The AU with its FACS name: "AU12 lip corner puller"."""
    return f"AU{number} {AU_NAMES.get(number, '')}".strip()


def labels_html(found: Mapping[str, Any], chances: Mapping[str, Mapping[str, float]]) -> str:
    """The labels as a list that reads well on paper, on a phone and aloud."""
    emotion = found.get("emotion")
    aus = found.get("aus") or []
    parts = ["<h3>Emotion</h3>"]
    parts.append(_chips([emotion] if emotion else [], "None is named in the answers so far."))
    parts.append(_meters([(name, value, name == emotion) for name, value in chances.get("emotion", {}).items()]))
    parts += ["<h3>Action units</h3>", _chips(map(au_name, aus), "None is named in the answers so far.")]
    likely = sorted(((int(key[2:]), value) for key, value in chances.get("au", {}).items()), key=lambda pair: -pair[1])
    rows = [(number, value) for place, (number, value) in enumerate(likely) if place < SHOWN or number in aus]
    parts.append(_meters([(au_name(number), value, number in aus) for number, value in rows]))
    if chances:
        parts.append("<p class='faba-note'>Bars: how likely the model finds it, in per cent. Its own, maybe off.</p>")
    return f"<section class='faba-labels' aria-live='polite'>{''.join(parts)}</section>"


def _chips(names: Any, empty: str) -> str:
    chips = "".join(f"<li>{escape(name)}</li>" for name in names)
    return f"<ul class='faba-chips'>{chips}</ul>" if chips else f"<p class='faba-note'>{empty}</p>"


def _meters(rows: list[tuple[str, float, bool]]) -> str:
    if not rows:
        return ""
    items = "".join(
        f"<li{' class=faba-named' if named else ''}><span>{escape(name)}</span>"
        f"<meter min='0' max='1' value='{value:.4f}' aria-label='{escape(name)}: {value:.0%}'></meter>"
        f"<b>{value:.0%}</b></li>"
        for name, value, named in rows
    )
    return f"<ul class='faba-meters'>{items}</ul>"
