"""The model behind the Clip tab: loaded in the background, asked by several visitors, each about their own clip."""

import secrets
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llava_faba.demo.guard import delete_upload, uploaded_file, uploads_folder
from llava_faba.demo.service import Loading, on_gpu
from llava_faba.errors import InputError
from llava_faba.files import write_json
from llava_faba.motion.clips import Clip, follow_clip
from llava_faba.motion.frames import BadClip, read_header
from llava_faba.motion.measures import Motion, measure_motion

if TYPE_CHECKING:
    from llava_faba.video.assessment import Assessor


class ClipVisit:
    """What a visitor has before them under Clip. (No dataclass: Gradio would take it apart.)"""

    def __init__(self) -> None:
        self.read: ReadClip | None = None
        self.token = secrets.token_hex(16)  # its folder's name, which nobody can guess

    def save(self, record: dict[str, Any]) -> str:
        """Write a record, as `llava-faba assess --json` does; return its path."""
        return str(write_json(Path(uploads_folder(), "results", self.token, "clip.json"), record))


MAX_CLIP_BYTES = 64 * 2**20
MAX_SECONDS = 60.0
MAX_FRAMES = 1800
MAX_FRAME_PIXELS = 9_000_000  # 4K, as phones film
MAX_READING_SECONDS = 180.0  # a clip without a face is searched three times, ever closer
LIMITS = (
    f"A clip is a video file (mp4, mov, webm, mkv, avi) of at most {MAX_CLIP_BYTES // 2**20} MB, {MAX_SECONDS:.0f} s, "
    f"{MAX_FRAMES} frames and {MAX_FRAME_PIXELS // 10**6} megapixels a frame."
)
STEP_SECONDS = 0.25  # between two messages about the progress


@dataclass(frozen=True)
class Progress:
    """How far the reading of a clip is."""

    frames: int
    search: int  # 1; 2 and 3 where no face was found so far
    rate: float  # frames a second
    part: float | None  # of the clip, 0..1; None: the file does not say how long it is
    left: float | None  # s


@dataclass(frozen=True)
class ReadClip:
    """A clip without its file: the face over time, its motion, what the model sees of it, and the plot (PNG)."""

    clip: Clip
    motion: Motion
    views: dict[str, np.ndarray]
    plot: bytes


def read_upload(
    upload: Any, see: Callable[[Clip], dict[str, np.ndarray]], name: str | None = None
) -> Generator[Progress, None, ReadClip]:
    """Read an uploaded clip, given as Gradio's record or path; yields its progress, returns what is known of it.

    `see` makes what the model sees of it. Raises InputError for what is no clip within the limits, and never names a
    path of the server. However it ends, the file is deleted.
    """
    from llava_faba.motion.plot import draw_motion

    file = uploaded_file(upload)
    if file is None:
        raise BadClip(
            "What was sent is no uploaded clip.",
            "Clips are files that you upload; addresses are not fetched, and a clip is deleted once it was read.",
            "Upload the clip itself.",
        )
    name = Path(name or file.name).name[-60:]
    try:
        seconds = _checked_header(file)
        clip = yield from _watched(file, seconds)
        motion = measure_motion(clip)
        views = see(clip)
        plot = draw_motion(clip, motion)
    except InputError as error:
        raise type(error)(
            *(part.replace(str(file), name) for part in (error.got, error.allowed, error.remedy))
        ) from None
    finally:
        delete_upload(upload)
    return ReadClip(replace(clip, path=Path(name)), motion, views, plot)


def _checked_header(file: Path) -> float | None:
    """Refuse what says of itself that it is too large; return how long it says that it is, in s."""
    if file.stat().st_size > MAX_CLIP_BYTES:
        raise _beyond(f"The clip {file} is larger than {MAX_CLIP_BYTES // 2**20} MB.")
    header = read_header(file)
    if header.width * header.height > MAX_FRAME_PIXELS:
        raise _beyond(f"The clip {file} has frames of {header.width} x {header.height} pixels.")
    if (header.seconds or 0) > MAX_SECONDS:
        raise _beyond(f"The clip {file} lasts {header.seconds:.1f} s.")
    if (header.frames or 0) > MAX_FRAMES:
        raise _beyond(f"The clip {file} has {header.frames} frames.")
    return header.seconds


def _watched(file: Path, seconds: float | None) -> Generator[Progress, None, Clip]:
    """Follow the face through the clip; what the header did not say is refused on the way."""
    began = told = time.monotonic()
    frames = looked = search = 0
    steps = follow_clip(file)
    while True:
        try:
            at = next(steps)
        except StopIteration as done:
            return done.value
        search, frames = (search + 1, 1) if at == 0 else (search, frames + 1)
        looked += 1
        now = time.monotonic()
        if frames > MAX_FRAMES or at > MAX_SECONDS:
            raise _beyond(f"The clip {file} is longer than that: frame {frames} is at {at:.1f} s.")
        if now - began > MAX_READING_SECONDS:
            raise _beyond(f"The clip {file} could not be read within {MAX_READING_SECONDS:.0f} s.")
        if now - told >= STEP_SECONDS:
            told, rate = now, looked / (now - began)
            part = min(1.0, at / seconds) if seconds else None
            yield Progress(frames, search, rate, part, frames / part * (1 - part) / rate if part else None)


def _beyond(found: str) -> BadClip:
    return BadClip(found, LIMITS, "Cut the clip to the movement, or export it smaller.")


CLIPS_AT_ONCE = 1  # that are read at the same time: each keeps a core busy for seconds
LOADING_SECONDS = 300  # that the reading of a clip waits for the model


class ClipService(Loading):
    """A model by name that assesses clips of `expressions`; nothing of a visitor is kept here."""

    has_model = True

    def __init__(
        self, load: "Callable[[], Assessor]", name: str, expressions: Sequence[str], *, max_new_tokens: int = 256
    ):
        super().__init__(load, name)
        self.expressions, self.max_new_tokens = tuple(expressions), max_new_tokens
        self.assess = on_gpu(self.assess)  # type: ignore[method-assign]

    def read(self, upload: Any, name: str | None = None) -> Generator[Progress, None, ReadClip]:
        """Read an uploaded clip and delete its file; see `read_upload`."""
        return read_upload(upload, lambda clip: self.wait(LOADING_SECONDS).see(clip), name)

    def assess(self, read: ReadClip, expression: str) -> Iterator[dict[str, Any]]:
        """Yield the record of `llava-faba assess` as it grows; the model goes by its name, not by the server's path.

        (And Gradio takes whatever has a "path" for a file.)
        """
        expression = self.checked_expression(expression)
        assessor = self.wait(LOADING_SECONDS)
        for record in assessor.stream(
            read.clip, read.motion, expression, read.views, max_new_tokens=self.max_new_tokens
        ):
            told = {key: value for key, value in record["model"].items() if key != "path"}
            yield {**record, "model": {"name": self.name, **told}}

    def checked_expression(self, expression: Any) -> str:
        """Return an expression that the model knows; raises InputError for another."""
        if expression not in self.expressions:
            raise InputError(
                f"The expression is {str(expression)[:40]!r}.",
                f"This model knows {', '.join(self.expressions)}.",
                "Choose one of these.",
            )
        return str(expression)
