"""Priors, made visible: what each reads in one face, and how a data set's vectors spread.

A prior that is nearly the same for every face tells a model nothing, whatever its projector learns. The report says so
of each prior at a glance: it sets the spread between faces against the spread within the mean vector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.errors import InputError
from llava_faba.files import write_atomically
from llava_faba.prior.base import FacialPrior
from llava_faba.prior.precomputed import read_prior_file

NEARLY_CONSTANT = 0.01  # of the mean vector's own extent; dlib_68 over real faces has about 0.1
COLOUR = "#2a6fbb"


@dataclass(frozen=True)
class Spread:
    """How one prior's vectors spread over a data set."""

    name: str
    mean: np.ndarray  # (P,)
    std: np.ndarray  # (P,)
    faces: int
    pictures: int

    @property
    def relative(self) -> float:
        """The spread between faces over the spread within the mean vector: 0 for a constant vector."""
        extent = float(self.mean.std())
        return float(np.sqrt((self.std**2).mean())) / extent if extent > 0 else float("nan")

    @property
    def is_nearly_constant(self) -> bool:
        return not self.relative >= NEARLY_CONSTANT

    def record(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return {
            "prior": self.name,
            "faces": self.faces,
            "read_percent": round(100 * self.faces / max(1, self.pictures), 2),
            "median_std": float(np.median(self.std)),
            "relative_spread": self.relative if np.isfinite(self.relative) else None,
            "nearly_constant": self.is_nearly_constant,
        }

    def __str__(self) -> str:
        verdict = (
            "NEARLY CONSTANT: it hardly tells faces apart" if self.is_nearly_constant else "it varies with the face"
        )
        share = 100 * self.faces / max(1, self.pictures)
        return (
            f"{self.name}: {self.faces} of {self.pictures} pictures read ({share:.1f} %); spread between faces "
            f"{100 * self.relative:.2g} % of the vector's extent, {verdict}"
        )


def measure_spread(prior: FacialPrior, files: Sequence[Path], pictures: int) -> list[Spread]:
    """Return the spread of each part of `prior` over its files; `pictures` is how many were looked at.

    The files are read one after another: memory does not grow with their number.
    """
    if not files:
        raise InputError(
            f"No face was read by {prior.name}, so nothing can be reported.",
            "A report needs at least one prior file.",
            "See the reasons in unread.jsonl.",
        )
    total, squares, shift = np.zeros(prior.dim), np.zeros(prior.dim), None
    for file in files:
        vector = read_prior_file(file, prior.dim, file.stem).astype(np.float64)
        shift = (
            vector if shift is None else shift
        )  # close to the mean: keeps the squares exact where hardly anything varies
        total += vector - shift
        squares += (vector - shift) ** 2
    mean = total / len(files)
    std = np.sqrt(np.maximum(squares / len(files) - mean**2, 0))
    mean = mean + shift
    spreads, start = [], 0
    for part in getattr(prior, "parts", (prior,)):
        inside = slice(start, start + part.dim)
        spreads.append(Spread(part.name, mean[inside], std[inside], len(files), pictures))
        start += part.dim
    return spreads


def draw_report(spreads: Sequence[Spread], path: Path | str) -> Path:
    """Draw mean and spread of every number of each prior; one row a prior, the same scale for all spreads."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 0.4 + 3.1 * len(spreads)), layout="constrained")
    rows = figure.subplots(len(spreads), 2, squeeze=False)
    floor = 1e-7
    top = max(float(spread.std.max()) for spread in spreads)
    for (left, right), spread in zip(rows, spreads, strict=True):
        places = np.arange(len(spread.mean))
        left.fill_between(places, spread.mean - spread.std, spread.mean + spread.std, color=COLOUR, alpha=0.3, lw=0)
        left.plot(places, spread.mean, color=COLOUR, lw=1)
        left.set(
            title=f"{spread.name}: mean and spread of its {len(places)} numbers", xlim=(0, max(1, len(places) - 1))
        )
        right.bar(
            places, np.maximum(spread.std, floor), width=1, color="#c0392b" if spread.is_nearly_constant else COLOUR
        )
        verdict = "nearly constant" if spread.is_nearly_constant else "varies"
        share = 100 * spread.faces / max(1, spread.pictures)
        right.set(
            yscale="log",
            ylim=(floor, max(10 * floor, 2 * top)),
            xlim=(-0.5, len(places) - 0.5),
            title=f"spread over {spread.faces} faces ({share:.1f} % read): {verdict}",
        )
        for axes in (left, right):
            axes.set_xlabel("number")
    return _save(figure, path)


def draw_preview(
    crop: np.ndarray, priors: Sequence[FacialPrior], path: Path | str, title: str = ""
) -> dict[str, str | None]:
    """Draw what each prior reads in one face picture: its landmarks on the picture, its vector beside.

    Returns for each prior None, or why it could not be read; a prior that cannot be used here takes up a row that says
    so.
    """
    from matplotlib.figure import Figure
    from PIL import Image

    from llava_faba.face.landmarks import draw_landmarks

    problems: dict[str, str | None] = {}
    figure = Figure(figsize=(12, 0.5 + 3.0 * len(priors)), layout="constrained")
    figure.suptitle(title)
    rows = figure.subplots(len(priors), 2, squeeze=False, width_ratios=[1, 3])
    for (left, right), prior in zip(rows, priors, strict=True):
        picture = Image.fromarray(crop).resize(
            (448, round(448 * crop.shape[0] / crop.shape[1])), Image.Resampling.BICUBIC
        )
        vector, problem = None, None
        try:
            vectors, valid = prior.extract([crop])
            vector = vectors[0] if valid[0] else None
            landmarks_px = prior.landmarks_px(crop) if vector is not None else None
            problem = None if vector is not None else "no face found"
        except InputError as error:
            problem, landmarks_px = str(error), None
        problems[prior.name] = problem
        if landmarks_px is not None:
            scale = np.array(picture.size) / (crop.shape[1], crop.shape[0])
            picture = draw_landmarks(picture, (landmarks_px + 0.5) * scale - 0.5)
        left.imshow(np.asarray(picture))
        left.axis("off")
        left.set_title(prior.name)
        if vector is None:
            right.axis("off")
            right.text(0, 0.5, problem or "", wrap=True, va="center", fontsize=9)
            continue
        right.bar(np.arange(len(vector)), vector, width=1, color=COLOUR)
        right.set(
            xlim=(-0.5, len(vector) - 0.5),
            xlabel="number",
            title=f"P = {len(vector)}, from {vector.min():.4g} to {vector.max():.4g}",
        )
    _save(figure, path)
    return problems


def _save(figure: Any, path: Path | str) -> Path:
    import io

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return write_atomically(path, buffer.getvalue())
