"""An answer on the page: its sentences set against the landmarks of the face, and its text without Markdown."""

import re
from html import escape

import numpy as np

from llava_faba.demo.photo_faces import SeenFace
from llava_faba.evidence.photo import check_photo
from llava_faba.evidence.verdict import CONTRADICTED, SUPPORTED
from llava_faba.face.measures import MeasuredFace, measure_landmarks

MARKS = re.compile(r"\*\*|__|`|(?m:^#{1,6}\s+)")  # the page shows text as it is, and these would stand in it
CLASSES = {SUPPORTED: "faba-yes", CONTRADICTED: "faba-no"}
TITLE = "What the landmarks say to the last answer"


def without_marks(text: str) -> str:
    """Return a text without Markdown's signs of bold, code and headings.

    >>> without_marks("**AU12** is present")
    'AU12 is present'
    """
    return MARKS.sub("", text)


def measured(face: SeenFace) -> MeasuredFace | None:
    """Measure a face of the page; None where no face was found."""
    if face.landmarks_px is None:
        return None
    valid = (face.record.get("quality") or {}).get("valid") or dict.fromkeys(("brows", "eyes", "mouth"), True)
    return measure_landmarks(np.asarray(face.landmarks_px), valid)


def evidence_html(answer: str, face: SeenFace) -> str:
    """List the sentences of an answer that name a movement, each with what the landmarks say; "" where none does."""
    sentences = check_photo(answer, measured(face))["sentences"] if answer else []
    items = "".join(
        f"<li class='{CLASSES.get(one['verdict'], 'faba-open')}'>{escape(without_marks(one['sentence']))} "
        f"<span class='faba-verdict'>{escape(one['verdict'])}</span><small>{escape(one['reason'])}</small></li>"
        for one in sentences
        if one["verdict"] in CLASSES or "AU" in one["reason"]
    )
    return f"<section><h3>{TITLE}</h3><ul class='faba-report'>{items}</ul></section>" if items else ""
