"""A clip -> the same clip with what was measured drawn on it: landmarks, which regions count, and a moving plot.

Every frame keeps its true time, also at a variable rate. Landmarks of a region that does not count are hollow and
grey; a frame without the face has none.
"""

import io
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from llava_faba.errors import InputError
from llava_faba.face.landmarks import MARKS, PLAIN_MARK, REGIONS
from llava_faba.motion.clips import Clip
from llava_faba.motion.frames import import_av, read_frames
from llava_faba.motion.measures import Motion
from llava_faba.motion.plot import LEFT, ONLY, RIGHT

LEAST_WIDTH = 480  # px: smaller clips are enlarged, so that the plot can be read
CLOCK = 90_000  # ticks a second of the written times
CURVES = (  # title, signals with their colours
    ("corners up", (("mouth_corner_left_up", LEFT), ("mouth_corner_right_up", RIGHT))),
    ("corners out", (("mouth_corner_left_out", LEFT), ("mouth_corner_right_out", RIGHT))),
    ("brows up", (("brow_left_up", LEFT), ("brow_right_up", RIGHT))),
    ("lids", (("lid_left", LEFT), ("lid_right", RIGHT))),
    ("mouth opening", (("mouth_opening", ONLY),)),
)
COVERED = "#9a9a9a"


def write_overlay(clip: Clip, motion: Motion, out: Path) -> Path:
    """Write the clip with its measurement drawn on it as an MP4 file; return its path. Sound is left out."""
    if out.suffix.lower() != ".mp4":
        raise InputError(f"The video file is called {out.name}.", "It is an MP4 file.", "Let its name end in .mp4.")
    av = import_av()
    part = out.with_name(f"{out.stem}.{os.getpid()}.part.mp4")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with av.open(str(part), "w") as container:
            codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
            ticks = CLOCK if codec == "libx264" else 60_000  # MPEG-4's clock has 16 bits
            stream = container.add_stream(codec, rate=max(1, round(clip.fps)))
            stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
            stream.time_base = stream.codec_context.time_base = Fraction(1, ticks)
            plot = None
            for frame in read_frames(clip.path, clip.fps_given):
                height, width = frame.pixels.shape[:2]
                larger = max(1.0, LEAST_WIDTH / width)
                size = (round(width * larger) // 2 * 2, round(height * larger) // 2 * 2)
                if plot is None:
                    plot, span = _draw_plot(clip, motion, size[0])
                    stream.width, stream.height = size[0], size[1] + plot.height
                picture = Image.new("RGB", (stream.width, stream.height))
                shown = Image.fromarray(frame.pixels).resize(size, Image.Resampling.BILINEAR)
                _draw_face(shown, clip, frame.index, larger / frame.scale)
                picture.paste(shown, (0, 0))
                picture.paste(plot, (0, stream.height - plot.height))
                _draw_cursor(picture, clip, frame.index, span, plot.height)
                encoded = av.VideoFrame.from_image(picture)
                encoded.pts, encoded.time_base = round(frame.time * ticks), Fraction(1, ticks)
                container.mux(stream.encode(encoded))
            container.mux(stream.encode())
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return out


def _draw_face(shown: Image.Image, clip: Clip, index: int, scale: float) -> None:
    """Draw landmarks on a frame, and beside it which regions count; `scale` is shown pixels a pixel of the clip."""
    draw = ImageDraw.Draw(shown)
    said = [(region, bool(seen[index])) for region, seen in clip.region_valid.items()]
    for row, (region, seen) in enumerate([("face", bool(clip.valid[index])), *said]):
        colour = MARKS.get(region, PLAIN_MARK) if seen else COVERED
        draw.text(
            (6, 5 + 13 * row),
            f"{region}: {'seen' if seen else 'not seen'}",
            fill=colour,
            stroke_width=1,
            stroke_fill="black",
        )
    if not clip.valid[index]:
        return
    points = (clip.landmarks_px[index] + 0.5) * scale - 0.5
    radius = max(1.2, float(np.ptp(points[:, 0])) / 90)
    region_of = {point: region for region, where in REGIONS.items() for point in range(68)[where]}
    for point, (x, y) in enumerate(points):
        region = region_of.get(point)
        box = (x - radius, y - radius, x + radius, y + radius)
        if region is not None and not clip.region_valid[region][index]:
            draw.ellipse(box, outline=COVERED)
        else:
            draw.ellipse(box, fill=MARKS.get(region, PLAIN_MARK))


def _draw_plot(clip: Clip, motion: Motion, width: int) -> tuple[Image.Image, tuple[float, float]]:
    """Draw the curves once; return the picture and between which of its columns time runs."""
    from matplotlib.figure import Figure

    dpi = 100
    rows = len(CURVES)
    figure = Figure(figsize=(width / dpi, 0.52 * rows + 0.35), dpi=dpi)
    all_axes = figure.subplots(rows, 1, sharex=True)
    for axes, (title, lines) in zip(all_axes, CURVES, strict=True):
        for name, colour in lines:
            axes.plot(clip.times, motion.signals[name], color=colour, lw=1)
        axes.set_ylabel(title, fontsize=6, rotation=0, ha="right", va="center")
        axes.tick_params(labelsize=5, length=2)
        axes.set_xlim(clip.times[0], clip.times[-1])
    all_axes[-1].set_xlabel("s; inter-ocular distances; left blue, right orange, as in the picture", fontsize=6)
    figure.subplots_adjust(left=0.16, right=0.98, top=0.97, bottom=0.16, hspace=0.35)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    picture = Image.open(buffer).convert("RGB")
    picture = picture.resize((width, picture.height // 2 * 2))
    return picture, (0.16 * width, 0.98 * width)


def _draw_cursor(picture: Image.Image, clip: Clip, index: int, span: tuple[float, float], height: int) -> None:
    """Draw the line that moves over the plot at a frame's time, and the time."""
    time = float(clip.times[index])
    part = (time - clip.times[0]) / (clip.times[-1] - clip.times[0])
    x = span[0] + part * (span[1] - span[0])
    draw = ImageDraw.Draw(picture)
    draw.line((x, picture.height - height, x, picture.height - 26), fill="#c00000", width=1)
    draw.text((4, picture.height - height + 2), f"{time:.2f} s", fill="#c00000")
