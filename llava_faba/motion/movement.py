"""A measured signal -> its movements: how large, how fast, when, each with its doubt.

Speeds are means over SPEED_SECONDS, so that 12 and 240 frames a second give the same figures: what a face does within
one frame cannot be known, and the largest speed from frame to frame grows with their number.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.special import betainc, betaincinv

from llava_faba.motion.smoothing import SHORTEST, local_fit, stretches, without_glitches

SPEED_SECONDS = 1 / 6  # s over which a speed is a mean: two frames at 12 a second
SLOPE_HALVES = (0.14, 0.2, 0.28, 0.4)  # s on either side over which slower movements are looked for
SLOPE_HALF = 0.1  # s: where a movement begins and ends is looked for with slopes over this much on either side
AGREES = 1.5  # standard errors of a shorter window by which a longer one's speed may differ from it
AVERAGED = 0.06  # s over which a place is averaged for a speed
FITS_SPEED = 3.0  # standard errors of the mean over SPEED_SECONDS by which a fitted speed may differ from it
EDGE = 0.1  # s at the ends of a long stretch from which no speed is read
LINGERS = 0.6  # s of rest before a movement, and of hold after it, that help to fit it
MOVES = 4.0  # times the noise that a movement must reach to be fitted
DOUBTFUL = 0.25  # share of a fitted size or speed that its standard error may be
BEYOND = 1.2  # times what is seen that a fitted movement may be: the rest would be guessed
FITS = 1.5  # times the noise that the residual of a fitted movement may be
FIT_POINTS = 40  # frames of a movement that a fit looks at; more are averaged in groups
STILL = 0.01  # inter-ocular distances: an amplitude below it, or below four errors, is the fit's own unrest
WHOLE = 0.8  # share of the way from the rest to the farthest point that one movement makes, to time it


@dataclass(frozen=True)
class Course:
    """A signal in F frames, nan where nothing was seen."""

    raw: np.ndarray  # (F,)
    smooth: np.ndarray  # (F,)
    times: np.ndarray  # (F,) s
    noise: float  # of raw from frame to frame
    unrest: np.ndarray  # (F,) what the landmarks' fits disagree beyond that, where something disturbs them

    def part(self, run: slice) -> "Course":
        """Return some frames of it."""
        return Course(self.raw[run], self.smooth[run], self.times[run], self.noise, self.unrest[run])

    @property
    def step(self) -> float:
        """Seconds from frame to frame."""
        return float(np.median(np.diff(self.times)))

    @property
    def level_error(self) -> float:
        """The standard error of the distance between two levels, each averaged over some 0.2 s."""
        return float(self.noise * np.sqrt(2 / max(1.0, 0.2 / self.step)))

    def extent(self) -> tuple[float, float]:
        """Return how far apart the smooth course's farthest points are, and the standard error of that."""
        low, high = int(np.nanargmin(self.smooth)), int(np.nanargmax(self.smooth))
        error = np.hypot(self.level_error, np.hypot(self.unrest[low], self.unrest[high]))
        return float(self.smooth[high] - self.smooth[low]), float(error)


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


def peak_speed(course: Course) -> tuple[float, float] | str:
    """Return the largest speed of a course and its standard error, or say why there is none."""
    best, where = None, None
    for run in stretches(course.smooth, SHORTEST):
        found = _steepest(course.part(run))
        if found is not None and (best is None or found.sure > best.sure):
            best, where = found, course.part(run)
    if best is None or where is None:
        return f"it needs {SHORTEST} valid frames in a row"
    speed, error = best.speed, best.error
    slopes = local_fit(where.smooth, where.times, SLOPE_HALF)[1]
    near = np.flatnonzero(np.abs(where.times - best.at) <= SPEED_SECONDS)
    rise = fit_rise(where, slopes, int(near[np.argmax(np.abs(slopes[near]))]))
    if rise is not None and rise.size > max(STILL, 2 * where.level_error) and rise.speed_error < DOUBTFUL * rise.speed:
        if abs(rise.speed - best.plain) < FITS_SPEED * best.plain_error:
            speed, error = rise.speed, rise.speed_error
    disturbed = np.sqrt(2) * float(where.unrest[near].max()) / SPEED_SECONDS
    return speed, float(np.hypot(error, disturbed))


@dataclass(frozen=True)
class _Steepest:
    """Where a course is steepest, and how steep it is there."""

    at: float  # s
    sure: float  # the speed that it has at least
    speed: float
    error: float
    plain: float  # the mean over SPEED_SECONDS
    plain_error: float


def _steepest(part: Course) -> _Steepest | None:
    """Find the largest speed of a gapless course, without sign; None if it is too short.

    The mean over SPEED_SECONDS is the definition. A slower movement is measured with less noise in a longer window,
    which is taken as long as it agrees with all shorter ones at that place (Lepski's rule, 1991).
    """
    step, times = part.step, part.times
    raw = without_glitches(part.raw, part.noise)
    levels = [_means(part, raw)]  # times, speeds, standard error, s on either side
    if not len(levels[0][0]):
        return None
    for half in SLOPE_HALVES:
        reach = max(1, round(half / step))
        if len(raw) <= 2 * reach + 2:
            break
        slopes = local_fit(raw, times, half, order=1)[1][reach:-reach]
        spread = step * np.sqrt(reach * (reach + 1) * (2 * reach + 1) / 3)
        levels.append((times[reach:-reach], np.abs(slopes), part.noise / spread, half))
    sure = []  # the largest of n noisy speeds of a still face is some sqrt(2 log n) standard errors
    for clock, speeds, error, half in levels:
        count = 1 + (clock[-1] - clock[0]) / half
        sure.append(float(speeds.max()) - np.sqrt(2 * np.log(1 + count)) * error)
    surest = int(np.argmax(sure))
    at = float(levels[surest][0][np.argmax(levels[surest][1])])
    low, high, found = -np.inf, np.inf, []
    for clock, speeds, error, _ in levels:
        near = np.abs(clock - at) <= SPEED_SECONDS / 2
        if not near.any():  # beside an end, where a long window still reaches
            continue
        speed = float(speeds[near].max())
        if not low <= speed <= high:
            break
        low, high = max(low, speed - AGREES * error), min(high, speed + AGREES * error)
        found.append((speed, error))
    changed = abs(found[-1][0] - found[-2][0]) / 2 if len(found) > 1 else 0.0
    error = float(np.hypot(found[-1][1], changed))
    return _Steepest(at, sure[surest], found[-1][0], error, found[0][0], found[0][1])


def _means(part: Course, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return means over SPEED_SECONDS of the speed of a gapless course: times, values, standard error, half window.

    The places between which it moves are each averaged over AVERAGED seconds: that takes out noise where frames are
    many, and no more of the speed than the definition does.
    """
    times, step = part.times, part.step
    fine = min(AVERAGED / 8, step)
    clock = np.arange(times[0], times[-1] + 1e-9, fine)
    width = 2 * max(0, round(AVERAGED / 2 / fine)) + 1
    values = np.convolve(np.interp(clock, times, raw), np.full(width, 1 / width), "valid")
    span = np.sqrt(max(SPEED_SECONDS, step) ** 2 - (width * fine) ** 2 * (width > 1))  # the two windows' spread adds up
    apart = max(1, round(span / fine))
    speeds = np.abs(values[apart:] - values[:-apart]) / (apart * fine)
    middle = clock[: len(speeds)] + (width - 1 + apart) / 2 * fine
    if len(speeds) and times[-1] - times[0] > 4 * EDGE + SPEED_SECONDS:
        inner = (middle - SPEED_SECONDS / 2 >= times[0] + EDGE) & (middle + SPEED_SECONDS / 2 <= times[-1] - EDGE)
        middle, speeds = middle[inner], speeds[inner]
    error = part.noise * np.sqrt(2 * min(1.0, step / AVERAGED)) / (apart * fine)
    return middle, speeds, float(error), SPEED_SECONDS / 2


def fit_rise(part: Course, slopes: np.ndarray, place: int) -> Rise | None:
    """Fit one movement through the frame `place` of a gapless course (n,), given the slopes of its smooth one.

    The model is a rise between two levels whose speed is bell-shaped (a symmetric incomplete beta function: from a
    ramp of constant speed over the minimum-jerk movement of Flash and Hogan 1985 to a sharper one), because reading
    peaks off noisy samples overstates them. None where the movement is not of that kind.
    """
    smooth, times, noise = part.smooth, part.times, part.noise
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
    if size < MOVES * noise or count < SHORTEST:
        return None
    grouped = lambda values: values[begin : begin + count * group].reshape(count, group).mean(axis=1)  # noqa: E731
    clock, values = grouped(times), sign * grouped(part.raw)
    error = max(noise, 0.004 * size) / np.sqrt(group)
    lasted = max(times[last] - times[first], part.step)
    start = np.array([sign * smooth[first], size, times[first], lasted, 2.0])
    low = [-np.inf, 0, clock[0] - 3 * lasted, lasted / 4, 1.0]  # `lasted` is the longer for its smoothing
    high = [np.inf, np.inf, clock[-1], 3 * lasted, 4.0]

    def misfit(p: np.ndarray) -> np.ndarray:
        """The residuals, and one more that prefers a bell between those of a cosine and of least jerk."""
        course = p[0] + p[1] * betainc(p[4], p[4], np.clip((clock - p[2]) / p[3], 0, 1))
        return np.append((course - values) / error, (p[4] - 2.2) / 0.6)

    found = least_squares(misfit, start, bounds=(low, high), x_scale=[0.01, 0.01, 0.05, 0.05, 1.0], max_nfev=40)
    square = float(np.sum(found.fun[:-1] ** 2))
    if square > FITS**2 * count:
        return None
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * max(1.0, square / max(1, count - len(start)))
    figures = _figures(found.x)
    gradients = np.array([(_figures(found.x + step) - figures) / 1e-4 for step in 1e-4 * np.eye(5)])  # (5, 4)
    errors = np.sqrt(np.einsum("pf,pq,qf->f", gradients, covariance, gradients))
    if figures[1] < 2 * part.step:  # between two frames: what it did there is not known
        errors[1] = max(errors[1], part.step / 2)
        errors[3] = np.hypot(errors[3], 0.05 * figures[3])
    if errors[2] > DOUBTFUL * figures[2] or figures[2] > BEYOND * size + 3 * errors[2]:
        return None
    return Rise(*(float(one) for one in (*figures, *errors[1:])))


def _figures(p: np.ndarray) -> np.ndarray:
    """Start, onset, size and largest speed of the model's parameters (level, size, begin, length, shape)."""
    shape = max(p[4], 1.0)
    tenth, most = betaincinv(shape, shape, 0.1), betaincinv(shape, shape, 0.9)
    half = min(0.5, SPEED_SECONDS / 2 / p[3])
    done = betainc(shape, shape, 0.5 + half) - betainc(shape, shape, 0.5 - half)
    return np.array([p[2] + tenth * p[3], (most - tenth) * p[3], p[1], p[1] * done / SPEED_SECONDS])


def main_rise(course: Course) -> Rise | str:
    """Time the rise to the farthest point of a course, or say why it cannot be timed."""
    runs = stretches(course.smooth, SHORTEST)
    if not runs:
        return f"it needs {SHORTEST} valid frames in a row"
    error = course.level_error
    whole = float(np.nanmax(course.smooth) - np.nanmin(course.smooth))
    if whole < max(STILL, 4 * error):
        return "nothing moves"
    part = course.part(max(runs, key=lambda run: np.nanmax(course.smooth[run])))
    values = part.smooth
    near = values >= values.max() - max(0.03 * np.ptp(values), 2 * error)
    peak = int(np.argmax(near)) if not near[0] else int(np.argmax(values))
    foot = int(np.argmin(values[: peak + 1]))
    way = float(values[peak] - values[foot])
    if way < 0.5 * whole:
        return "the rise to the peak is not seen: the movement begins before the valid frames"
    slopes = local_fit(part.raw, part.times, SLOPE_HALF)[1]
    place = foot + int(np.argmax(slopes[foot : peak + 1]))
    rise = fit_rise(part, slopes, place)
    return rise if rise is not None and rise.size >= WHOLE * way else _crossed(part, foot, peak, slopes[place])


def _crossed(part: Course, foot: int, peak: int, speed: float) -> Rise:
    """Time a rise of any kind from the frame `foot` to `peak`: when its smooth course passes a tenth and nine tenths.

    Where a tenth is less than the noise of the rest and of the hold, it is timed between levels beyond that, and the
    rest is counted in proportion. The doubt is how much the times move if the levels are off by two errors: much where
    the course lingers there.
    """
    values, clock = part.smooth[foot : peak + 1], part.times[foot : peak + 1]
    way = float(values[-1] - values[0])
    low = max(0.1 * way, min(2 * part.level_error, 0.3 * way))
    share = (way - 2 * low) / (0.8 * way)
    off = max(2 * part.level_error, 2 * float(part.unrest[foot : peak + 1].max()), 0.02 * way)
    passed = [_passed(values, clock, low + shift, way - low + shift) for shift in (-off, 0.0, off)]
    (begun, _), (left, arrived), (late, _) = passed
    ends = [end for _, end in passed]
    error = float(np.hypot(late - begun, max(ends) - min(ends))) / 4 / share
    onset = (arrived - left) / share
    start = left - (onset - (arrived - left)) / 2
    return Rise(start, onset, way, float(speed), max(error, part.step / 4), part.level_error, np.nan)


def _passed(values: np.ndarray, clock: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """When a course (n,) is last below `low`, counted from its first value, and then first above `high`; s."""
    rise = values - values[0]
    begins = max(0, int(np.flatnonzero(rise[:-1] <= max(low, 0.0))[-1]))
    above = np.flatnonzero(rise[begins + 1 :] >= min(high, rise[-1]))
    arrives = begins + int(above[0])
    start = np.interp(low, rise[begins : begins + 2], clock[begins : begins + 2])
    end = np.interp(high, rise[arrives : arrives + 2], clock[arrives : arrives + 2])
    return float(start), float(end)
