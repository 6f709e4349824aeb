"""Clips made on the spot: a real face that is moved, turned and hidden, encoded as video files."""

from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from tests.conftest import shared_path


@cache
def a_face() -> np.ndarray:
    """A frame with a face, RGB uint8 (360, 640, 3)."""
    with av.open(str(shared_path("video", "woman_expressions.mp4"))) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == 330:
                return frame.to_ndarray(format="rgb24")
    raise AssertionError("the clip is shorter than it was")


def write_clip(
    path: Path, frames: list[np.ndarray], times_ms: list[int] | None = None, aspect: Fraction | None = None
) -> Path:
    """Encode frames as MPEG-4 video, 40 ms apart or at the times given; `aspect` is a pixel's width over its height."""
    times_ms = times_ms or [40 * index for index in range(len(frames))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 8_000_000
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for pixels, time in zip(frames, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """Encode one second of silence, without any picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn_container(path: Path) -> Path:
    """Mark an mp4 as a phone does that was held upright: show it turned by 90 degrees clockwise.

    The matrix is that of the track header (ISO/IEC 14496-12, 8.3.2): display x = -q + height, display y = p of a
    stored pixel (p, q).
    """
    data = path.read_bytes()
    one, unit = (0x10000).to_bytes(4, "big"), (0x40000000).to_bytes(4, "big")
    zero, minus = bytes(4), (-0x10000).to_bytes(4, "big", signed=True)
    identity = one + zero + zero + zero + one + zero + zero + zero + unit
    start = data.index(identity, data.index(b"tkhd"))
    turned = zero + one + zero + minus + zero + zero + zero + zero + unit
    path.write_bytes(data[:start] + turned + data[start + len(turned) :])
    return path
