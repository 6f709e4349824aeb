"""Measured motion -> one picture: the signals over time, gaps where a region is not valid, thumbnails at the peaks."""

import io

import numpy as np

from llava_faba.motion.clips import Clip, crop_frames, spans
from llava_faba.motion.measures import Motion
from llava_faba.motion.smoothing import stretches

PANELS = (  # title, signals
    ("mouth corners, outwards and up from their median", ("mouth_corner_left", "mouth_corner_right")),
    ("mouth opening", ("mouth_opening",)),
    ("brows above the eyes", ("brow_left", "brow_right")),
    ("opening of the lids", ("lid_left", "lid_right")),
)
LEFT, RIGHT, ONLY = "#0072b2", "#d55e00", "#444444"  # told apart also by colour-blind readers (Okabe and Ito)
WIDTH, DPI = 11.0, 110  # inches, dots an inch
THUMBNAILS = 4
LASTING = 11  # frames that a peak's neighbourhood has


def draw_motion(clip: Clip, motion: Motion) -> bytes:
    """Draw the motion of a clip; return the bytes of a PNG of 1210 px width."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 10.5), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(len(PANELS) + 2, THUMBNAILS, height_ratios=[1.6, *[1] * len(PANELS), 0.9])
    moments = peaks(motion)
    for column, (crop, (name, index)) in enumerate(
        zip(crop_frames(clip, [index for _, index in moments], 160), moments, strict=True)
    ):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(crop)
        axes.set_title(f"{name}\n{clip.times[index]:.2f} s", fontsize=9)
        axes.set_axis_off()
    first = None
    for row, (title, names) in enumerate(PANELS, start=1):
        axes = figure.add_subplot(grid[row, :], sharex=first)
        first = first or axes
        for name in names:
            side = name.rsplit("_", 1)[1]
            colour = {"left": LEFT, "right": RIGHT}.get(side, ONLY)
            axes.plot(clip.times, motion.signals[name], color=colour, lw=1.2, label=side if len(names) > 1 else None)
        _shade(axes, clip, ~np.isfinite(motion.signals[names[0]]))
        for _, index in moments:
            axes.axvline(clip.times[index], color="#999999", lw=0.7, ls=":")
        axes.set_title(title, fontsize=9, loc="left", pad=2)
        axes.tick_params(labelbottom=False, labelsize=8)
        if len(names) > 1:
            _legend(axes)
    figure.supylabel("inter-ocular distances", fontsize=9)
    axes = figure.add_subplot(grid[-1, :], sharex=first)
    for column, (name, colour) in enumerate((("pitch", LEFT), ("yaw", RIGHT), ("roll", ONLY))):
        axes.plot(clip.times, motion.pose[:, column], color=colour, lw=1, label=name)
    _shade(axes, clip, ~clip.valid)
    axes.set_title("head, degrees", fontsize=9, loc="left", pad=2)
    _legend(axes)
    axes.set_xlabel("s; grey: not seen, covered, or the head turned away; left and right as in the picture", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.set_xlim(clip.times[0], clip.times[-1])
    figure.suptitle(f"{clip.path.name}: {clip.frames} frames, {clip.fps:.2f} a second", fontsize=11)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def peaks(motion: Motion) -> list[tuple[str, int]]:
    """Return the frames in which a signal is highest, and the one in which the lids are lowest, in order of time."""
    found = []
    for title, names, choose in (
        ("mouth corners out", ("mouth_corner_left", "mouth_corner_right"), np.nanargmax),
        ("mouth open", ("mouth_opening",), np.nanargmax),
        ("brows up", ("brow_left", "brow_right"), np.nanargmax),
        ("lids closed", ("lid_left", "lid_right"), np.nanargmin),
    ):
        signal = sum(motion.signals[name] for name in names)
        lasting = _lasting(signal) if choose is np.nanargmax else signal  # a blink lets dlib's brows jump
        if np.isfinite(lasting).any():
            found.append((title, int(choose(lasting))))
    return sorted(found, key=lambda moment: moment[1])


def _lasting(signal: np.ndarray) -> np.ndarray:
    """The median of each frame and its neighbours: what lasts less than half of LASTING frames is no peak."""
    half = LASTING // 2
    result = np.full(len(signal), np.nan)
    for run in stretches(signal, LASTING):
        windows = np.lib.stride_tricks.sliding_window_view(signal[run], LASTING)
        result[run][half:-half] = np.median(windows, axis=1)
    return result if np.isfinite(result).any() else signal


def _legend(axes: object) -> None:
    """Beside the title, where no line runs."""
    place = {"loc": "lower right", "bbox_to_anchor": (1, 0.99), "borderaxespad": 0}
    axes.legend(fontsize=8, frameon=False, ncols=3, **place)


def _shade(axes: object, clip: Clip, hidden: np.ndarray) -> None:
    half = 0.5 / clip.fps
    for start, end in spans(hidden, clip.times):
        axes.axvspan(start - half, end + half, color="#e4e4e4", lw=0)
