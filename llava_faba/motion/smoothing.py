"""A measured signal -> its smooth course and its noise.

All windows are in seconds, so that 12 and 240 frames a second give the same figures, and times may be uneven. Signals
are (F,) arrays with nan where nothing was seen; nothing is smoothed across a gap.
"""

from functools import lru_cache

import numpy as np

HALF_WINDOWS = (0.06, 0.1, 0.15, 0.25, 0.4)  # s on either side of a frame, from which the longest that fits is taken
ALWAYS = 0.1  # s on either side: the window that is used whatever its residual
SHORTEST = 5  # frames of a stretch that can be smoothed
LEAST_NOISE = 1e-7  # inter-ocular distances: below, only rounding is left
GLITCH = 5.0  # times the noise: one frame that lies so far from both neighbours is a failed fit


def stretches(signal: np.ndarray, shortest: int = 1) -> list[slice]:
    """Return the runs of at least `shortest` frames in which the signal (F,) is valid."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.isfinite(signal).astype(int), [0]))))
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= shortest]


def noise_of(signal: np.ndarray) -> float:
    """Return the standard deviation of a signal's frame-to-frame noise: the median size of its fourth differences.

    A movement changes them little; white noise of deviation s gives them the deviation s * sqrt(70).
    """
    runs = [np.diff(signal[run], 4) for run in stretches(signal, 5)]
    differences = np.abs(np.concatenate(runs)) if runs else np.zeros(1)
    return max(LEAST_NOISE, 1.4826 * float(np.median(differences)) / np.sqrt(70))


def without_glitches(signal: np.ndarray, noise: float) -> np.ndarray:
    """Return a copy (F,) in which single frames far from both neighbours, which agree, are set between them."""
    result = signal.copy()
    before, middle, after = signal[:-2], signal[1:-1], signal[2:]
    between = (before + after) / 2
    with np.errstate(invalid="ignore"):
        far = np.abs(middle - between) > np.maximum(GLITCH * noise, 3 * np.abs(after - before))
    result[1:-1][far] = between[far]
    return result


def local_fit(signal: np.ndarray, times: np.ndarray, half: float, order: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Fit a polynomial around every frame of a gapless signal (F,); return its value and slope there, (F,) each.

    `half` is in seconds; at least one frame on either side is used, and two where the order asks for it.
    """
    step = float(np.median(np.diff(times)))
    reach = max(1, round(half / step))
    if len(times) > 2 * reach and np.abs(np.diff(times) - step).max() < 0.01 * step:  # the same, faster
        return tuple(_even_fit(signal, matrix) for matrix in _even_weights(reach, order, step))
    at = np.arange(len(times))[:, None] + np.arange(-reach, reach + 1)  # (F, 2 * reach + 1)
    inside = (at >= 0) & (at < len(times))
    at = at.clip(0, len(times) - 1)
    unit = reach * step
    powers = (((times[at] - times[:, None]) / unit)[..., None] ** np.arange(order + 1)) * inside[..., None]
    normal = np.einsum("fki,fkj->fij", powers, powers) + 1e-9 * np.eye(order + 1)
    target = np.einsum("fki,fk->fi", powers, signal[at])
    found = np.linalg.solve(normal, target[..., None])[..., 0]
    return found[:, 0], found[:, 1] / unit


@lru_cache(maxsize=64)
def _even_weights(reach: int, order: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what gives a window's fitted values and slopes from its samples, (n, n) each, for even times."""
    offsets = np.arange(-reach, reach + 1) / reach
    powers = offsets[:, None] ** np.arange(order + 1)
    slopes = np.arange(order + 1) * offsets[:, None] ** np.maximum(np.arange(order + 1) - 1, 0) / (reach * step)
    solve = np.linalg.pinv(powers)
    return powers @ solve, slopes @ solve


def _even_fit(signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Apply the middle row of `weights` (n, n) to every frame, and the outer rows to those near the ends."""
    width, reach = len(weights), len(weights) // 2
    middle = np.convolve(signal, weights[reach][::-1], "valid")
    return np.concatenate([weights[:reach] @ signal[:width], middle, weights[reach + 1 :] @ signal[-width:]])


def smoothed(signal: np.ndarray, times: np.ndarray, noise: float | None = None, always: float = ALWAYS) -> np.ndarray:
    """Smooth each valid stretch by moving quadratics, at each frame the widest whose residual is still noise.

    So a rest is averaged over 0.8 s, and a quick movement keeps its course. Windows up to `always` s on either side are
    used also where the residual is larger, as beside a bad frame. nan stays nan.
    """
    noise = noise_of(signal) if noise is None else noise
    result = signal.copy()
    for run in stretches(signal, SHORTEST):
        raw, clock = without_glitches(signal[run], noise), times[run]
        best, open_ = raw.copy(), np.ones(len(raw), bool)
        step = float(np.median(np.diff(clock)))
        for half in HALF_WINDOWS:
            width = 2 * max(1, round(half / step)) + 1
            if width < SHORTEST or width > len(raw):
                continue
            smooth = local_fit(raw, clock, half)[0]
            square = np.convolve((raw - smooth) ** 2, np.ones(width), "same")
            count = np.convolve(np.ones(len(raw)), np.ones(width), "same")
            open_ &= (half <= always) | (np.sqrt(square / count) <= noise * (1 + 3 / np.sqrt(2 * count)))
            best = np.where(open_, smooth, best)
        result[run] = best
    return result
