"""The apex of each movement: when it is farthest from the rest, and the face's picture there."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from llava_faba.files import write_atomically
from llava_faba.motion.clips import Clip, crop_frames
from llava_faba.motion.measures import Motion
from llava_faba.motion.smoothing import stretches

LASTING = 0.35  # s of a peak's neighbourhood: what lasts less than half of it is no peak
APEX_SIDE = 336  # px of an apex picture
MARGIN = 0.25  # of the face's side around it, as `llava-faba crop` leaves
MOVES = 0.04  # inter-ocular distances between the rest and an apex

APEXES = (  # title, the measures of which one must reach MOVES (None: always shown), signals that are summed, sign
    ("mouth corners out", ("mouth_corner_{}_out",), ("mouth_corner_left_out", "mouth_corner_right_out"), 1),
    ("mouth corners in", ("mouth_corner_{}_in",), ("mouth_corner_left_out", "mouth_corner_right_out"), -1),
    ("mouth corners up", ("mouth_corner_{}_up",), ("mouth_corner_left_up", "mouth_corner_right_up"), 1),
    ("mouth corners down", ("mouth_corner_{}_down",), ("mouth_corner_left_up", "mouth_corner_right_up"), -1),
    ("mouth open", ("mouth_opening_opens",), ("mouth_opening",), 1),
    ("brows up", ("brow_{}_up",), ("brow_left", "brow_right"), 1),
    ("brows down", ("brow_{}_down",), ("brow_left", "brow_right"), -1),
    ("lids closed", ("lid_{}_amplitude",), ("lid_left", "lid_right"), -1),
)


def peaks(motion: Motion, times: np.ndarray | None = None) -> list[tuple[str, int]]:
    """Return each movement that reaches MOVES and the frame of its apex, in order of time; `times` (F,) in s."""
    found = []
    for title, measures, signals, sign in APEXES:
        names = [name.format(side) for name in measures for side in (("left", "right") if "{}" in name else ("",))]
        values = [motion.values[name]["value"] for name in names]
        if not any(value is not None and value >= MOVES for value in values):
            continue
        signal = sign * sum(motion.signals[name] for name in signals)
        lasting = signal if title == "lids closed" else _lasting(signal, times)
        if np.isfinite(lasting).any():
            found.append((title, int(np.nanargmax(lasting))))
    return sorted(found, key=lambda moment: moment[1])


def save_apexes(clip: Clip, motion: Motion, folder: Path) -> list[Path]:
    """Write the face at each apex as a PNG into a folder, named by movement and time; return the files.

    They are upright crops, as `llava-faba describe --input FOLDER` reads them.
    """
    moments = peaks(motion, clip.times)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    crops = crop_frames(clip, [index for _, index in moments], APEX_SIDE, MARGIN)
    for crop, (title, index) in zip(crops, moments, strict=True):
        file = folder / f"{clip.path.stem}_{clip.times[index]:06.2f}s_{title.replace(' ', '_')}.png"
        buffer = io.BytesIO()
        Image.fromarray(crop).save(buffer, format="PNG")
        write_atomically(file, buffer.getvalue())
        written.append(file)
    return written


def _lasting(signal: np.ndarray, times: np.ndarray | None) -> np.ndarray:
    """The median of each frame and its neighbours: what lasts less than half of LASTING seconds is no peak."""
    step = 1 / 30 if times is None else float(np.median(np.diff(times)))
    half = max(1, round(LASTING / 2 / step))
    width = 2 * half + 1
    result = np.full(len(signal), np.nan)
    for run in stretches(signal, width):
        windows = np.lib.stride_tricks.sliding_window_view(signal[run], width)
        result[run][half:-half] = np.median(windows, axis=1)
    return result if np.isfinite(result).any() else signal
