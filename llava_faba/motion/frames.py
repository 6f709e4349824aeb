"""Clip -> frames with exact times: mp4, mov, webm and the like by PyAV, or a folder of pictures as PFED5 has them.

Times are the container's own presentation times, counted from the first frame, so that a variable frame rate costs
nothing. A phone's rotation, pixels that are not square and the edit list of a trimmed mp4 are applied; frames larger
than WORKING_SIDE are reduced while they are decoded. A frame that cannot be decoded is a gap (`broken`); what cannot be
used at all is one `BadClip`, never a shorter clip in silence.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from llava_faba.errors import InputError, MissingFileError, missing_extra
from llava_faba.face.images import SUFFIXES, BadImage, read_pixels

WORKING_SIDE = 1280  # px: the longer side of a frame that is worked on; a face of 4K video is large enough in it
MAX_SIDE = 8192  # px: a larger picture is a mistake or an attack
FOLDER_FPS = 25.0  # frames a second of a folder of pictures, which itself knows no times
# What a clip may be. FFmpeg goes by the content: a playlist or a list of files that is called .mp4 would have it open
# other files and addresses.
CONTAINERS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi", "protocol_whitelist": "file"}
ENDS_EARLY = 0.95  # of the frames and of the time that the container promises: less is a truncated file
MOST_BROKEN = 0.2  # share of the frames that cannot be decoded, beyond which a clip is refused


class BadClip(InputError):
    """A clip cannot be used."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame."""

    index: int
    time: float  # s from the first frame
    pixels: np.ndarray  # RGB uint8 (height, width, 3), upright, its longer side at most WORKING_SIDE
    scale: float  # pixels of the clip, made square, a pixel of `pixels`
    broken: bool = False  # it cannot be decoded, and `pixels` are black


@dataclass(frozen=True)
class Header:
    """What a video file says about itself; it may be wrong, and a browser's recording says nothing of its length."""

    width: int
    height: int
    seconds: float | None
    frames: int | None


def read_frames(path: Path | str, fps: float | None = None) -> Iterator[Frame]:
    """Decode a clip from its first frame to its last; `fps` is for a folder of pictures only.

    Raises MissingFileError, or BadClip where there is no video in the file or it ends before it should.
    """
    path = Path(path)
    if path.is_dir():
        return _from_folder(path, fps or FOLDER_FPS)
    if fps is not None:
        raise InputError(
            f"A frame rate was given for the video file {path}.",
            "Only a folder of pictures needs one; a video file has times of its own.",
            "Leave --fps out.",
        )
    if not path.is_file():
        raise MissingFileError(f"The clip {path} does not exist.", "It is a video file or a folder.", "Check the path.")
    return _from_file(path)


def read_header(path: Path | str) -> Header:
    """Read what a video file says about itself, without decoding it; errors as `read_frames`."""
    with _opened(Path(path)) as (container, stream):
        seconds = (container.duration or 0) / 1_000_000  # AV_TIME_BASE: microseconds
        return Header(stream.codec_context.width, stream.codec_context.height, seconds or None, stream.frames or None)


def _from_file(path: Path) -> Iterator[Frame]:
    with _opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        yield from _decoded(path, container, stream, import_av().FFmpegError)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a video file; give its container and its video stream."""
    av = import_av()
    try:
        container = av.open(str(path), options=CONTAINERS)
    except (av.FFmpegError, OSError) as error:
        raise BadClip(
            f"The clip {path} cannot be opened: {error.strerror or type(error).__name__}.",
            "It must be a whole video file (mp4, mov, webm, mkv, avi), whatever its name ends in.",
            "Copy or export it again; a recording that was broken off has no index and cannot be read.",
        ) from error
    with container:
        if not container.streams.video:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no"
            raise BadClip(
                f"The clip {path} has no video stream, only {kinds} streams.",
                "A face is seen in video.",
                "Give the file that holds the picture.",
            )
        stream = container.streams.video[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        if max(width, height) > MAX_SIDE or 0 in (width, height):
            raise BadClip(
                f"The clip {path} has frames of {width} x {height} pixels.",
                f"A side has 1 to {MAX_SIDE} pixels.",
                "Export it smaller.",
            )
        yield container, stream


def _decoded(path: Path, container: Any, stream: Any, av_error: type[Exception]) -> Iterator[Frame]:
    """Yield the stream's frames; times that do not grow are an encoder's repeats and are left out."""
    start = last = None
    decoded = index = broken = 0
    pixels, scale = np.zeros((90, 160, 3), np.uint8), 1.0
    fallback = float(stream.average_rate or FOLDER_FPS)
    for picture in _pictures(container, stream, av_error):
        if isinstance(picture, _Lost) and picture.error is not None:
            raise _truncated(path, f"reading fails after {decoded} frames ({picture.error})") from picture.error
        time = picture.time if picture.time is not None else decoded / fallback
        lost = isinstance(picture, _Lost) or getattr(picture, "is_corrupt", False)
        decoded += not isinstance(picture, _Lost)
        if lost and start is None:
            continue  # nothing was seen yet: the clip begins later
        start = time if start is None else start
        if last is not None and time <= last:
            continue
        last = time
        broken += lost
        if lost:
            pixels = np.zeros_like(pixels)
        else:
            pixels, scale = _upright(picture, stream)
        yield Frame(index, time - start, pixels, scale, lost)
        index += 1
    if start is None:
        raise _truncated(path, "no frame can be decoded")
    if broken > max(1, MOST_BROKEN * index):
        raise _truncated(path, f"{broken} of {index} frames cannot be decoded")
    promised, seen = stream.frames or 0, last - start + 1 / fallback
    end = _end(container, stream)
    if "mov" not in container.format.name or stream.duration is None:
        # FFmpeg guesses an AVI's duration from the file's size. In mp4 and mov the duration counts: of a clip that was
        # cut out by an edit list, more frames are stored than are shown.
        end = max(end, promised / fallback)
    if (not promised or decoded < ENDS_EARLY * promised) and seen < ENDS_EARLY * end - 1 / fallback:
        of = f" of {promised}" if promised else ""
        raise _truncated(path, f"it ends after {decoded}{of} frames, at {seen:.2f} of {end:.2f} s")


@dataclass(frozen=True)
class _Lost:
    """A stored frame that cannot be decoded, or (`error`) the end of what can be read."""

    time: float | None
    error: Exception | None = None


def _pictures(container: Any, stream: Any, av_error: type[Exception]) -> Iterator[Any]:
    """Yield decoded pictures, and a _Lost in the place of each that is damaged."""
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av_error:
                if packet.pts is not None:
                    yield _Lost(float(packet.pts * packet.time_base))
    except av_error as error:
        yield _Lost(None, error)


def _upright(picture: Any, stream: Any) -> tuple[np.ndarray, float]:
    """Return a picture's pixels as they are meant to be seen, and how many of the clip one of them stands for."""
    aspect = float(stream.sample_aspect_ratio or 1)  # width of a pixel over its height
    width = picture.width * (aspect if 0.1 < aspect < 10 else 1)
    scale = max(1.0, max(width, picture.height) / WORKING_SIDE)
    size = {"width": round(width / scale), "height": round(picture.height / scale)}
    if (size["width"], size["height"]) == (picture.width, picture.height):
        size = {}
    pixels = picture.reformat(format="rgb24", **size).to_ndarray()
    turns = round(getattr(picture, "rotation", 0) / 90) % 4  # counter-clockwise, as the display matrix says
    return np.ascontiguousarray(np.rot90(pixels, turns)), scale


def _end(container: Any, stream: Any) -> float:
    """When a stream ends, as its file says, in seconds; 0 where it does not say, as sound may outlast the picture."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    try:  # Matroska and WebM
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except (KeyError, ValueError):
        alone = len(container.streams) == 1
        return (container.duration or 0) / 1_000_000 if alone else 0.0  # AV_TIME_BASE: microseconds


def _truncated(path: Path, found: str) -> BadClip:
    return BadClip(
        f"The clip {path} is truncated or damaged: {found}.",
        "A clip is measured as a whole: what is missing may be the movement.",
        "Copy it again from its source.",
    )


def _from_folder(folder: Path, fps: float) -> Iterator[Frame]:
    pictures = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    pictures.sort(key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)])
    if not pictures:
        raise BadClip(
            f"The folder {folder} holds no pictures.",
            f"A folder of frames holds files ending in {', '.join(SUFFIXES)}, numbered in their order.",
            "Give the folder of one clip.",
        )
    pixels, scale, broken = np.zeros((90, 160, 3), np.uint8), 1.0, 0
    for index, path in enumerate(pictures):
        try:
            pixels, lost = read_pixels(path), False
        except BadImage as error:
            pixels, lost = np.zeros_like(pixels), True
            broken += 1
            if broken > max(1, MOST_BROKEN * len(pictures)):
                raise BadClip(
                    f"{broken} pictures of the folder {folder} cannot be read; the last is {path.name}: {error.got}",
                    f"At most {100 * MOST_BROKEN:.0f} % of a clip's frames may be broken; each is a gap.",
                    "Copy the folder again from its source.",
                ) from error
        if not lost:
            scale = max(1.0, max(pixels.shape[:2]) / WORKING_SIDE)
            if scale > 1:
                size = round(pixels.shape[1] / scale), round(pixels.shape[0] / scale)
                pixels = np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
        yield Frame(index, index / fps, pixels, scale, lost)


def import_av() -> Any:
    """Import PyAV, or say which extra brings it."""
    try:
        import av
    except ImportError as error:
        raise missing_extra("av", "video", "Reading a clip") from error
    return av
