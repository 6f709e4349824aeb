"""Counts -> metrics: pure functions over the last axis, so that one call serves one test set or thousands of resamples.

All values are shares (0..1); what is undefined is nan.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    """part / whole, nan where whole is 0.

    >>> ratio([1, 0], [4, 0]).tolist()
    [0.25, nan]
    """
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole != 0)


def f1(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> Floats:
    """F1 = 2 TP / (2 TP + FP + FN), nan for a class that never occurs (TP + FN = 0).

    >>> f1([3, 0], [1, 2], [2, 0]).tolist()
    [0.6666666666666666, nan]
    """
    tp, fp, fn = (np.asarray(count, dtype=float) for count in (tp, fp, fn))
    return np.where(tp + fn > 0, ratio(2 * tp, 2 * tp + fp + fn), np.nan)


def released_f1(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Floats:
    """F1 as EmoLA's code has it: 0 where TP is 0, nan (left out of its mean) where all samples agree on one value.

    There scikit-learn's confusion matrix is 1 x 1 and the code fails to read it, also for a perfectly recognised AU.
    https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L254-L269

    >>> released_f1([3, 0, 5, 0], [1, 2, 0, 0], [2, 0, 0, 0], [0, 4, 0, 6]).tolist()
    [0.6666666666666666, 0.0, nan, nan]
    """
    tp, fp, fn, tn = (np.asarray(count, dtype=float) for count in (tp, fp, fn, tn))
    total = tp + fp + fn + tn
    value = np.where(tp > 0, ratio(2 * tp, 2 * tp + fp + fn), 0.0)
    return np.where((tp == total) | (tn == total), np.nan, value)


def micro_f1(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> Floats:
    """F1 of the counts summed over the classes (last axis).

    >>> float(micro_f1([3, 1], [1, 2], [2, 0]))
    0.6153846153846154
    """
    tp, fp, fn = (np.asarray(count, dtype=float).sum(axis=-1) for count in (tp, fp, fn))
    return ratio(2 * tp, 2 * tp + fp + fn)


def mean_defined(values: ArrayLike) -> Floats:
    """Mean over the last axis of the values that are defined; nan where none is.

    >>> float(mean_defined([0.5, np.nan, 1.0]))
    0.75
    """
    values = np.asarray(values, dtype=float)
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def one_against_rest(confusion: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """TP, FP and FN of each class from a confusion matrix (..., K labels, K or K + 1 recognised; the last: nothing).

    >>> [count.tolist() for count in one_against_rest([[3, 1, 0], [0, 2, 1]])]
    [[3.0, 2.0], [0.0, 1.0], [1.0, 1.0]]
    """
    confusion = np.asarray(confusion, dtype=float)
    classes = confusion.shape[-2]
    tp = np.diagonal(confusion, axis1=-2, axis2=-1)
    return tp, confusion.sum(axis=-2)[..., :classes] - tp, confusion.sum(axis=-1) - tp


RESAMPLES = 2000
SEED = 0
_BLOCK = 100  # resamples at a time: 20,000 samples then take 16 MB


def resampled_sums(
    columns: NDArray[np.float64],
    resamples: int = RESAMPLES,
    seed: int = SEED,
    clusters: Sequence[str] | None = None,
    smooth: bool = False,
) -> NDArray[np.float64]:
    """Sum the columns (n, K) over `resamples` draws with replacement, as matrix products: (resamples, K).

    n samples are drawn, or with `clusters` (the subject of each sample) as many whole subjects as there are. A draw is
    its vector of how often each came, so that no drawn table is ever built. `smooth` draws weights above 0 instead, n
    in sum (the Bayesian bootstrap: Rubin 1981, doi 10.1214/aos/1176345338): then no draw loses the few positives of a
    rare AU. Differences of two models take counts: where few samples differ, many draws hold none of them.
    """
    if clusters is not None:
        columns = sums_by(columns, clusters)
    n = len(columns)
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, columns.shape[1]))
    often = np.empty((min(_BLOCK, resamples), n))
    for start in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - start)
        if smooth:
            rng.standard_exponential(out=often[:size])
            often[:size] *= n / often[:size].sum(axis=1, keepdims=True)
        for row in () if smooth else often[:size]:
            row[:] = np.bincount(rng.integers(0, n, size=n), minlength=n)
        sums[start : start + size] = often[:size] @ columns
    return sums


def sums_by(columns: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Sum the rows of each name, in the names' ascending order.

    >>> sums_by(np.array([[1.0], [2.0], [4.0]]), ["b", "a", "b"]).tolist()
    [[2.0], [5.0]]
    """
    known, place = np.unique(np.asarray(names), return_inverse=True)
    sums = np.zeros((len(known), columns.shape[1]))
    np.add.at(sums, place, columns)
    return sums


def interval(
    values: NDArray[np.float64], level: float = 0.95, subjects: int | None = None, around: float = float("nan")
) -> tuple[float, float]:
    """Percentile interval of resampled values along the first axis; nan where none is defined.

    `subjects` is how many were drawn, where whole subjects were: they are few, so the percentiles are moved outwards as
    Student's t and the bootstrap's own shortfall of variance demand (Hesterberg 2015, "What Teachers Should Know About
    the Bootstrap", section 5.3, doi 10.1080/00031305.2015.1089789); one subject gives no interval. `around` is the
    value itself: it lies in its interval also where it is the largest possible.

    >>> [round(bound, 6) for bound in interval(np.arange(101.0), level=0.9)]
    [5.0, 95.0]
    """
    defined = values[~np.isnan(values)]
    if not len(defined) or subjects == 1:
        return float("nan"), float("nan")
    tail = (1 - level) / 2 if subjects is None else _tail_of_few((1 - level) / 2, subjects)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(np.fmin(low, around)), float(np.fmax(high, around))


def two_sided_p(differences: NDArray[np.float64], subjects: int | None = None) -> float | None:
    """Twice the share of draws on the rarer side of 0: the level at which `interval` just holds 0; None if undefined.

    The test set itself counts as one draw more, so that no p is 0 (Phipson and Smyth 2010, doi 10.2202/1544-6115.1585).
    """
    defined = differences[~np.isnan(differences)]
    if not len(defined) or subjects == 1:
        return None
    rarer = min(0.5, (min((defined <= 0).sum(), (defined >= 0).sum()) + 1) / (len(defined) + 1))
    if subjects is not None:
        from scipy.special import ndtri, stdtr

        rarer = stdtr(subjects - 1, ndtri(rarer) / _shortfall(subjects))
    return float(2 * rarer)


def _tail_of_few(tail: float, subjects: int) -> float:
    """The share to cut off at each end so that an interval over few subjects covers as a t interval does."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(_shortfall(subjects) * stdtrit(subjects - 1, tail)))


def _shortfall(subjects: int) -> float:
    """By how much the bootstrap's standard error is too small; that of smooth draws, which is the larger."""
    return float(np.sqrt((subjects + 1) / (subjects - 1)))
