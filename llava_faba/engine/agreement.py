"""Two people's labels, or a person's and a model's -> how far they agree, with intervals.

All values are shares (kappa: -1 to 1); what is undefined is nan. Weights undo an uneven draw (1 / chance to be drawn).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from llava_faba.eval.metrics import RESAMPLES, f1, interval, ratio, resampled_sums

Z = 1.959964  # standard normal quantile of 0.975
Interval = tuple[float, float]


def wilson(share: float, n: float) -> Interval:
    """Wilson's 95 % interval of a share of n draws; n need not be whole.

    (p + z^2/2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2/n): Wilson 1927, doi 10.2307/2276774.

    >>> [round(end, 4) for end in wilson(0.91, 200)]
    [0.8622, 0.9424]
    """
    if not n > 0 or not 0 <= share <= 1:
        return float("nan"), float("nan")
    centre, width = share + Z**2 / (2 * n), Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    low, high = ((centre - width) / (1 + Z**2 / n), (centre + width) / (1 + Z**2 / n))
    return max(0.0, float(low)), min(1.0, float(high))


def effective_n(weights: ArrayLike) -> float:
    """How many evenly drawn samples weighted ones are worth: (sum w)^2 / sum w^2 (Kish 1965, section 11.7).

    >>> effective_n([1, 1, 1, 1]), effective_n([3, 1])
    (4.0, 1.6)
    """
    weights = np.asarray(weights, dtype=float)
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def accuracy(right: Sequence[bool], weights: Sequence[float]) -> tuple[float, Interval]:
    """Return the weighted share of what is right, with Wilson's interval at the effective number of samples."""
    if not right:
        return float("nan"), (float("nan"), float("nan"))
    share = float(np.average(np.asarray(right, dtype=float), weights=weights))
    return share, wilson(min(max(share, 0.0), 1.0), effective_n(weights))


def weighted_f1(truth: ArrayLike, found: ArrayLike, weights: ArrayLike) -> tuple[np.ndarray, list[Interval]]:
    """Return each class's F1 with percentile intervals over resampled samples.

    `truth` and `found` are (n, K) of 0 and 1, `weights` is (n,). A class that never occurs has nan.
    """
    truth, found = np.asarray(truth, dtype=float), np.asarray(found, dtype=float)
    scale = np.asarray(weights, dtype=float)[:, None]
    columns = np.hstack([truth * found * scale, (1 - truth) * found * scale, truth * (1 - found) * scale])
    classes = truth.shape[1]
    total, drawn = columns.sum(axis=0), resampled_sums(columns)
    values = f1(*np.split(total, 3))
    drawn_values = f1(*np.split(drawn, 3, axis=1))
    return values, [interval(drawn_values[:, k]) for k in range(classes)]


def kappa(one: Sequence[object], other: Sequence[object]) -> float:
    """Cohen's kappa of two people's labels: (p_o - p_e) / (1 - p_e) (Cohen 1960, doi 10.1177/001316446002000104).

    nan where both give one and the same label throughout: chance alone would agree as well.

    >>> kappa(["a", "a", "b", "b"], ["a", "b", "b", "b"])
    0.5
    """
    if not one or len(one) != len(other):
        return float("nan")
    return float(_kappas(*_numbered(one, other), np.arange(len(one))[None])[0])


def kappa_with_interval(one: Sequence[object], other: Sequence[object]) -> tuple[float, Interval]:
    """Return Cohen's kappa with a percentile interval over samples drawn anew."""
    if not one:
        return float("nan"), (float("nan"), float("nan"))
    drawn = np.random.default_rng(0).integers(0, len(one), (RESAMPLES, len(one)))
    return kappa(one, other), interval(_kappas(*_numbered(one, other), drawn))


def _numbered(one: Sequence[object], other: Sequence[object]) -> tuple[np.ndarray, np.ndarray]:
    names = sorted({*map(str, one), *map(str, other)})
    place = {name: index for index, name in enumerate(names)}
    first, second = (np.array([place[str(label)] for label in labels]) for labels in (one, other))
    return first, second


def _kappas(first: np.ndarray, second: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Kappa of each row of `drawn` (resamples, n), places in two arrays of label numbers."""
    observed = (first[drawn] == second[drawn]).mean(axis=1)
    chance = np.zeros(len(drawn))
    for label in range(max(first.max(), second.max()) + 1):
        chance += (first[drawn] == label).mean(axis=1) * (second[drawn] == label).mean(axis=1)
    return ratio(observed - chance, np.where(chance < 1 - 1e-12, 1 - chance, 0))
