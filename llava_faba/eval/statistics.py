"""Per-sample counts -> how far a number would move with another draw of the test set."""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 0
_BLOCK = 100  # resamples at a time: 20,000 samples then take 16 MB


def resampled_sums(columns: NDArray[np.float64], resamples: int = RESAMPLES, seed: int = SEED) -> NDArray[np.float64]:
    """Sum the columns (n, K) over `resamples` draws of n samples with replacement, as matrix products: (resamples, K).

    A draw is its vector of how often each sample came, so that no drawn table is ever built.
    """
    n = len(columns)
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, columns.shape[1]))
    often = np.empty((_BLOCK, n))
    for start in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - start)
        for row in often[:size]:
            row[:] = np.bincount(rng.integers(0, n, size=n), minlength=n)
        sums[start : start + size] = often[:size] @ columns
    return sums


def interval(values: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of resampled values along the first axis; nan where none is defined."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
