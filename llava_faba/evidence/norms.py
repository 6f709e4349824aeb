"""Population norms of the measures: quantiles over neutral faces, learned by scripts/learn_norms.py, kept as figures.

What they can do: say that a mouth corner lies higher than in nine of ten neutral faces. What they cannot: know this
person. One whose neutral mouth droops, whose brows are low or whose lids are narrow is compared with others all the
same; age, beards, glasses, the camera's height and its distance move every measure; and the faces come from one
collection, whose labels are noisy. A photo of the same person at rest (`neutral` in photo.py) is better evidence.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.errors import InputError
from llava_faba.face.measures import REGION, SIDED, MeasuredFace, plain_name
from llava_faba.files import read_json

PERCENTS = (1, 5, 10, 25, 40, 50, 60, 75, 90, 95, 99)
NEUTRAL = "Neutral"
LEAST = 30  # neutral faces, below which a tenth of them is chance
SHIPPED = Path(__file__).with_name("norms.json")


@dataclass(frozen=True)
class Norms:
    """How the measures are spread in a population."""

    source: str
    faces: dict[str, int]  # how many neutral faces each measure was seen in
    nose_tip: float  # of the median neutral face
    slopes: dict[str, float]  # measure -> how it changes with the nose tip, in neutral faces
    neutral: dict[str, list[float]]  # measure -> its quantiles at PERCENTS, of neutral faces that are levelled

    def levelled(self, face: MeasuredFace, name: str) -> float | None:
        """Return a measure as it would be if the head looked as far up or down as the median neutral face does."""
        return _levelled(face, name, self.slopes, self.nose_tip)

    def share_below(self, name: str, value: float) -> float:
        """Return the share (0.01..0.99) of neutral faces that lie below a levelled value."""
        return float(np.interp(value, self.neutral[name], PERCENTS)) / 100


@lru_cache
def load_norms(path: Path | str = SHIPPED) -> Norms:
    """Read norms as scripts/learn_norms.py writes them; by default those that are shipped."""
    record = read_json(path, "norms")
    try:
        percents = record.pop("percents")
        norms = Norms(**record)
        complete = list(percents) == list(PERCENTS) and norms.slopes.keys() == REGION.keys() <= norms.neutral.keys()
    except (KeyError, TypeError, AttributeError):
        complete = False
    if not complete:
        raise InputError(
            f"The file {path} holds no norms.",
            f"Norms have source, faces, nose_tip, slopes and neutral, with quantiles at {PERCENTS} percent.",
            "Write them anew: python scripts/learn_norms.py FACES.csv --json NORMS.json",
        )
    return norms


def learn_norms(faces: Iterable[tuple[MeasuredFace | None, str]], source: str) -> dict[str, Any]:
    """Learn norms from measured faces and their emotion labels; return what `load_norms` reads.

    Raises InputError where a measure was seen in fewer than 30 neutral faces.
    """
    neutral = [face for face, label in faces if face is not None and label == NEUTRAL]
    seen = {name: sum(face.values[name] is not None for face in neutral) for name in REGION}
    if min(seen.values()) < LEAST:
        raise InputError(
            f"The {min(seen, key=seen.get)} was measured in {min(seen.values())} faces that are labelled {NEUTRAL}.",
            f"Norms need each measure in at least {LEAST} of them.",
            "Give more faces.",
        )
    nose_tip = float(np.median([face.nose_tip for face in neutral]))
    slopes = {name: _slope(neutral, name) for name in REGION}
    return {
        "source": source,
        "faces": seen,
        "nose_tip": round(nose_tip, 4),
        "slopes": slopes,
        "percents": list(PERCENTS),
        "neutral": _quantiles(neutral, slopes, nose_tip),
    }


def _slope(faces: list[MeasuredFace], name: str) -> float:
    seen = [(face.nose_tip, face.values[name]) for face in faces if face.values[name] is not None]
    return round(float(np.polyfit(*np.array(seen).T, 1)[0]), 4)


def _levelled(face: MeasuredFace, name: str, slopes: dict[str, float], nose_tip: float) -> float | None:
    value = face.values[name]
    return None if value is None else value - slopes[plain_name(name)] * (face.nose_tip - nose_tip)


def _quantiles(faces: list[MeasuredFace], slopes: dict[str, float], nose_tip: float) -> dict[str, list[float]]:
    tables = {}
    for name in faces[0].values:
        values = [value for face in faces if (value := _levelled(face, name, slopes, nose_tip)) is not None]
        tables[name] = np.percentile(values, PERCENTS).round(4).tolist()
    for name in SIDED:
        pairs = [(face.values[f"{name}_left"], face.values[f"{name}_right"]) for face in faces]
        gaps = [abs(left - right) for left, right in pairs if left is not None and right is not None]
        tables[f"{name}_gap"] = np.percentile(gaps, PERCENTS).round(4).tolist()
    return tables
