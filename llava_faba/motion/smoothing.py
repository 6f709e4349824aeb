"""A measured signal -> its smooth course, its noise, and one movement of it: size, speed, onset, each with its doubt.

All windows are in seconds, so that 12 and 240 frames a second give the same figures, and times may be uneven. Signals
are (F,) arrays with nan where nothing was seen; nothing is smoothed across a gap.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import least_squares
from scipy.special import betainc, betaincinv, betaln

HALF_WINDOWS = (0.06, 0.1, 0.15, 0.25, 0.4)  # s on either side of a frame, from which the longest that fits is taken
ALWAYS = 0.1  # s on either side: the window that is used whatever its residual
SLOPE_HALF = 0.1  # s: speeds are first looked for over this much on either side
SHORTEST = 5  # frames of a stretch in which a speed can be measured
LEAST_NOISE = 1e-7  # inter-ocular distances: below, only rounding is left
GLITCH = 5.0  # times the noise: one frame that lies so far from both neighbours is a failed fit
LINGERS = 0.6  # s of rest before a movement, and of hold after it, that help to fit it
MOVES = 4.0  # times the noise that a movement must reach to be fitted
TIMES_LOCAL = (
    2.2  # a fitted speed beyond so many times the one over 2 * SLOPE_HALF lies between the frames: not believed
)
DOUBTFUL = 0.25  # share of a fitted speed that its standard error may be
FIT_POINTS = 40  # frames of a movement that a fit looks at; more are averaged in groups


@dataclass(frozen=True)
class Rise:
    """One movement from a lower to a higher level, or back; standard errors beside the figures."""

    start: float  # s: when a tenth of the way is done
    onset: float  # s from a tenth to nine tenths
    size: float  # distance between the two levels, without sign
    speed: float  # the largest, a second, without sign
    onset_error: float
    size_error: float
    speed_error: float


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


def inner_slopes(signal: np.ndarray, times: np.ndarray, half: float) -> np.ndarray:
    """Return the slopes (n,) of a gapless signal, 0 beside its ends, where half a window makes them unsure."""
    slopes = local_fit(signal, times, half)[1]
    reach = max(1, round(half / float(np.median(np.diff(times)))))
    if len(slopes) > 4 * reach:
        slopes[:reach] = slopes[-reach:] = 0
    return slopes


def fastest(signal: np.ndarray, times: np.ndarray, half: float = SLOPE_HALF) -> tuple[slice, int, np.ndarray] | None:
    """Return the stretch in which a signal moves fastest, the frame in it, and its slopes there; None without one."""
    best = None
    for run in stretches(signal, SHORTEST):
        slopes = inner_slopes(signal[run], times[run], half)
        place = int(np.argmax(np.abs(slopes)))
        if best is None or abs(slopes[place]) > abs(best[2][best[1]]):
            best = run, place, slopes
    return best


def fit_rise(
    signal: np.ndarray, smooth: np.ndarray, slopes: np.ndarray, place: int, times: np.ndarray, noise: float
) -> Rise | None:
    """Fit one movement through the frame `place` of a gapless signal (F,), its smooth course and its slopes.

    The model is a rise between two levels whose speed is bell-shaped (a symmetric incomplete beta function: from a
    ramp of constant speed over the minimum-jerk movement of Flash and Hogan 1985 to a sharper one), because reading
    peaks off noisy samples overstates them. None where the movement is not of that kind.
    """
    sign = np.sign(slopes[place])
    weak = sign * slopes < 0.1 * abs(slopes[place])
    first = place - int(np.argmax(weak[place::-1])) if weak[: place + 1].any() else 0
    last = place + int(np.argmax(weak[place:])) if weak[place:].any() else len(smooth) - 1
    size = abs(smooth[last] - smooth[first])
    level = max(0.04 * size, 1.5 * noise)
    begin, end = first, last
    while begin > 0 and abs(smooth[begin - 1] - smooth[first]) < level and times[first] - times[begin - 1] < LINGERS:
        begin -= 1
    while (
        end < len(smooth) - 1 and abs(smooth[end + 1] - smooth[last]) < level and times[end + 1] - times[last] < LINGERS
    ):
        end += 1
    group = max(1, (end + 1 - begin) // FIT_POINTS)
    count = (end + 1 - begin) // group
    if size <= 0 or count < SHORTEST:
        return None
    if size < MOVES * noise:
        return None
    grouped = lambda values: values[begin : begin + count * group].reshape(count, group).mean(axis=1)  # noqa: E731
    clock, values = grouped(times), sign * grouped(signal)
    error = max(noise, 0.004 * size) / np.sqrt(group)
    lasted = max(times[last] - times[first], float(np.median(np.diff(times))))
    start = np.array([sign * smooth[first], size, times[first], lasted, 2.0])
    low = [-np.inf, 0, clock[0] - 3 * lasted, lasted / 4, 1.0]  # `lasted` is the longer for its smoothing
    high = [np.inf, np.inf, clock[-1], 3 * lasted, 4.0]

    def misfit(p: np.ndarray) -> np.ndarray:
        """The residuals, and one more that prefers a bell between those of a cosine and of least jerk."""
        course = p[0] + p[1] * betainc(p[4], p[4], np.clip((clock - p[2]) / p[3], 0, 1))
        return np.append((course - values) / error, (p[4] - 2.2) / 0.6)

    found = least_squares(misfit, start, bounds=(low, high), x_scale=[0.01, 0.01, 0.05, 0.05, 1.0], max_nfev=40)
    if np.sqrt(np.mean(found.fun[:-1] ** 2)) > 1.5:
        return None
    covariance = np.linalg.pinv(found.jac.T @ found.jac)
    figures = _figures(found.x)
    gradients = np.array([(_figures(found.x + step) - figures) / 1e-4 for step in 1e-4 * np.eye(5)])  # (5, 4)
    errors = np.sqrt(np.einsum("pf,pq,qf->f", gradients, covariance, gradients))
    if errors[3] > DOUBTFUL * figures[3] or figures[3] > TIMES_LOCAL * abs(slopes[place]):
        return None
    return Rise(*(float(one) for one in (*figures, *errors[1:])))


def _figures(p: np.ndarray) -> np.ndarray:
    """Start, onset, size and largest speed of the model's parameters (level, size, begin, length, shape)."""
    shape = max(p[4], 1.0)
    tenth, most = betaincinv(shape, shape, 0.1), betaincinv(shape, shape, 0.9)
    steepest = np.exp(2 * (shape - 1) * np.log(0.5) - betaln(shape, shape))
    return np.array([p[2] + tenth * p[3], (most - tenth) * p[3], p[1], p[1] / p[3] * steepest])
