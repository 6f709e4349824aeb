"""What a user points at -> pictures to look for faces in: files, folders, globs and clips, one after the other.

A file that cannot be read is a sighting too, with the reason, so that a long run loses neither the file nor its place.
"""

import glob
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llava_faba.errors import InputError, MissingFileError
from llava_faba.face.images import SUFFIXES, read_pixels
from llava_faba.motion.frames import import_av, read_frames

CLIP_SUFFIXES = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".wmv", ".3gp", ".mts")
CLOSE = 1e-6  # s: times are binary fractions, and 0.1 three times is not 0.3


@dataclass(frozen=True)
class Sighting:
    """A picture, or a frame of a clip; or why there is none."""

    name: str  # of its file
    frame: int | None = 0  # from 0; None: the clip as a whole
    time: float | None = None  # s from the clip's first frame
    pixels: np.ndarray | None = None  # RGB uint8 (height, width, 3); None where `reason` says why
    scale: float = 1.0  # pixels of the clip a pixel of `pixels`
    reason: str = ""


def name_of(path: Path) -> str:
    """Return a file's path as text that can be written everywhere, whatever its bytes are."""
    return str(path).encode(errors="backslashreplace").decode()


def is_clip(path: Path) -> bool:
    """Whether a file is taken for video, by what its name ends in."""
    return path.suffix.lower() in CLIP_SUFFIXES


def find_files(inputs: Sequence[str]) -> list[Path]:
    """Return the pictures and clips that are named, that a glob matches, or that lie in a folder or below it.

    A glob's and a folder's are sorted by name, and of what was not named itself only those that end as pictures or
    clips do. Raises InputError where nothing is there to be read.
    """
    found = [path for text in inputs for path in _files_of(text)]
    return list(dict.fromkeys(found))


def see_files(paths: Sequence[Path], fps: float, first_frame: int = 0) -> Iterator[Sighting]:
    """Read pictures, and `fps` frames a second of clips; of the first file only frames from `first_frame` on.

    A frame is the first one at or after each multiple of 1 / fps. Raises MissingDependencyError only.
    """
    for number, path in enumerate(paths):
        try:
            if is_clip(path):
                yield from _see_clip(path, fps, 0 if number else first_frame)
            else:
                yield Sighting(name_of(path), pixels=read_pixels(path))
        except InputError as error:
            if isinstance(error, ImportError):  # what is missing for one clip is missing for all
                raise
            yield Sighting(name_of(path), frame=None if is_clip(path) else 0, reason=str(error))


def estimate_sightings(path: Path, fps: float) -> int:
    """Return how many sightings a file will give, as far as its header tells."""
    if not is_clip(path):
        return 1
    av = import_av()
    try:
        with av.open(str(path)) as container:
            return max(1, math.ceil((container.duration or 0) / 1_000_000 * fps))  # AV_TIME_BASE: microseconds
    except (av.FFmpegError, OSError):
        return 1


def _see_clip(path: Path, fps: float, first_frame: int) -> Iterator[Sighting]:
    due = 0.0
    for frame in read_frames(path):
        if frame.time + CLOSE < due:
            continue
        due = (math.floor((frame.time + CLOSE) * fps) + 1) / fps
        if frame.index >= first_frame:
            yield Sighting(name_of(path), frame.index, frame.time, frame.pixels, frame.scale)


def _files_of(text: str) -> list[Path]:
    path = Path(text)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = _readable(path.rglob("*"))
        if not found:
            raise InputError(
                f"The folder {path} holds no pictures and no clips.",
                f"Files that end in {', '.join(SUFFIXES)} or {', '.join(CLIP_SUFFIXES)} are read.",
                "Give the folder that holds them, or name a file itself.",
            )
        return found
    if glob.has_magic(text):
        matched = [Path(match) for match in glob.glob(text, recursive=True)]
        found = _readable(inner for match in matched for inner in (match.rglob("*") if match.is_dir() else [match]))
        if not found:
            raise InputError(
                f"Nothing that could be read matches {text!r}.",
                f"Files that end in {', '.join(SUFFIXES)} or {', '.join(CLIP_SUFFIXES)} are read.",
                "Check the pattern; ** stands for any folders.",
            )
        return found
    raise MissingFileError(
        f"{text} does not exist.", "--input takes pictures, clips, folders of them and globs.", "Check the path."
    )


def _readable(paths: Iterator[Path]) -> list[Path]:
    return sorted({path for path in paths if path.suffix.lower() in (*SUFFIXES, *CLIP_SUFFIXES) and path.is_file()})
