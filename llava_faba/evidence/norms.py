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
from llava_faba.evidence.measures import SIDED, MeasuredFace
from llava_faba.files import read_json

PERCENTS = (1, 5, 10, 25, 40, 50, 60, 75, 90, 95, 99)
NEUTRAL = "Neutral"
LEAST = 30  # neutral faces, below which a tenth of them is chance
SHIPPED = Path(__file__).with_name("norms.json")


@dataclass(frozen=True)
class Norms:
    """How the measures are spread in a population."""

    source: str
    faces: dict[str, int]  # how many: "neutral", "all"
    neutral: dict[str, list[float]]  # measure -> its quantiles at PERCENTS, of neutral faces
    all: dict[str, list[float]]  # of faces with any expression

    def share_below(self, name: str, value: float) -> float:
        """Return the share (0.01..0.99) of neutral faces that lie below a value."""
        return float(np.interp(value, self.neutral[name], PERCENTS)) / 100


@lru_cache
def load_norms(path: Path | str = SHIPPED) -> Norms:
    """Read norms as scripts/learn_norms.py writes them; by default those that are shipped."""
    record = read_json(path, "norms")
    try:
        norms = Norms(record["source"], record["faces"], record["neutral"], record["all"])
        complete = list(record["percents"]) == list(PERCENTS) and norms.neutral.keys() >= set(SIDED)
    except (KeyError, TypeError, AttributeError):
        complete = False
    if not complete:
        raise InputError(
            f"The file {path} holds no norms.",
            f"Norms have source, faces, neutral and all, with quantiles at {', '.join(map(str, PERCENTS))} percent.",
            "Write them anew: python scripts/learn_norms.py FACES.csv --json NORMS.json",
        )
    return norms


def learn_norms(faces: Iterable[tuple[MeasuredFace | None, str]], source: str) -> dict[str, Any]:
    """Learn norms from measured faces and their emotion labels; return what `load_norms` reads.

    Raises InputError where fewer than 30 neutral faces could be measured.
    """
    measured = [(face, label) for face, label in faces if face is not None]
    neutral = [face for face, label in measured if label == NEUTRAL]
    if len(neutral) < LEAST:
        raise InputError(
            f"Only {len(neutral)} faces that are labelled {NEUTRAL} could be measured.",
            f"Norms need at least {LEAST} of them.",
            "Give more faces.",
        )
    return {
        "source": source,
        "faces": {"neutral": len(neutral), "all": len(measured)},
        "percents": list(PERCENTS),
        "neutral": _quantiles(neutral),
        "all": _quantiles([face for face, _ in measured]),
    }


def _quantiles(faces: list[MeasuredFace]) -> dict[str, list[float]]:
    tables = {}
    for name in faces[0].values:
        values = [face.values[name] for face in faces if face.values[name] is not None]
        tables[name] = np.percentile(values, PERCENTS).round(4).tolist()
    for name in SIDED:
        pairs = [(face.values[f"{name}_left"], face.values[f"{name}_right"]) for face in faces]
        gaps = [abs(left - right) for left, right in pairs if left is not None and right is not None]
        tables[f"{name}_gap"] = np.percentile(gaps, PERCENTS).round(4).tolist()
    return tables
