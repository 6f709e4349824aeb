"""Measured motion -> one picture: the signals over time, gaps where a region is not valid, thumbnails at the peaks."""

import io

import numpy as np

from llava_faba.motion.apex import peaks
from llava_faba.motion.clips import Clip, crop_frames, spans
from llava_faba.motion.measures import Motion

PANELS = (  # title, signals
    ("mouth corners, up (down below 0) from their rest", ("mouth_corner_left_up", "mouth_corner_right_up")),
    ("mouth corners, outwards (inwards below 0)", ("mouth_corner_left_out", "mouth_corner_right_out")),
    ("mouth opening", ("mouth_opening",)),
    ("brows, up (down below 0) from their rest; not measured in blinks", ("brow_left_up", "brow_right_up")),
    ("opening of the lids", ("lid_left", "lid_right")),
)
LEFT, RIGHT, ONLY = "#0072b2", "#d55e00", "#444444"  # told apart also by colour-blind readers (Okabe and Ito)
WIDTH, DPI = 11.0, 110  # inches, dots an inch
THUMBNAILS = 6


def draw_motion(clip: Clip, motion: Motion) -> bytes:
    """Draw the motion of a clip; return the bytes of a PNG of 1210 px width."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 12), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(len(PANELS) + 2, THUMBNAILS, height_ratios=[1.6, *[1] * len(PANELS), 0.9])
    moments = peaks(motion, clip.times)[:THUMBNAILS]
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
            side = next((side for side in ("left", "right") if side in name), "")
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


def _legend(axes: object) -> None:
    """Beside the title, where no line runs."""
    place = {"loc": "lower right", "bbox_to_anchor": (1, 0.99), "borderaxespad": 0}
    axes.legend(fontsize=8, frameon=False, ncols=3, **place)


def _shade(axes: object, clip: Clip, hidden: np.ndarray) -> None:
    half = 0.5 / clip.fps
    for start, end in spans(hidden, clip.times):
        axes.axvspan(start - half, end + half, color="#e4e4e4", lw=0)
