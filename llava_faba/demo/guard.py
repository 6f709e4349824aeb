"""What strangers send -> what the page accepts: limits on files, no fetching of addresses, nothing kept for long.

Gradio checks uploads by itself, except where it would download an address that a request names, or hand on a path that
was never uploaded; both are closed here.
"""

import atexit
import logging
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import wraps
from inspect import isgeneratorfunction
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import route_utils
from gradio.blocks import Block
from PIL import Image

from llava_faba.errors import InputError
from llava_faba.face.images import FORMATS, MAX_BYTES, BadImage, decode_image

KEPT_SECONDS = 3600  # an uploaded or made file is deleted at this age
SWEEP_SECONDS = 300  # how often that is looked after
MAX_QUESTION = 1000  # characters
MAX_TURNS = 20  # of one conversation
AUTH_VARIABLE = "LLAVA_FABA_DEMO_AUTH"  # "user:password", several with commas between
FOLDER_VARIABLE = "GRADIO_TEMP_DIR"
log = logging.getLogger(__name__)


def keep_files_apart() -> Path:
    """Give uploads a folder of their own, deleted when the process ends; call it before the page is built."""
    folder = Path(tempfile.mkdtemp(prefix="llava-faba-demo-"))
    os.environ[FOLDER_VARIABLE] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def end_cleanly() -> None:
    """Let a termination signal end the process as an interruption from the keyboard does, with its files deleted.

    The signal of the keyboard itself would not do: a script's background jobs ignore it.
    """

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def uploads_folder() -> Path:
    """Where Gradio keeps what was uploaded."""
    return Path(os.environ.get(FOLDER_VARIABLE) or Path(tempfile.gettempdir()) / "gradio").resolve()


def sweep(age: float = KEPT_SECONDS) -> int:
    """Delete files of visitors that are older than `age` seconds; return how many. Gradio forgets some of its own."""
    deleted = 0
    for folder, _, files in os.walk(uploads_folder()):
        for name in files:
            file = Path(folder, name)
            try:
                if time.time() - file.stat().st_mtime >= age:
                    file.unlink()
                    deleted += 1
            except OSError:  # deleted by somebody else meanwhile
                continue
    return deleted


def forget_deleted(page: gr.Blocks) -> None:
    """Drop the names of deleted files that Gradio keeps for as long as it runs."""
    for names in page.temp_file_sets:
        names -= {name for name in list(names) if not os.path.exists(name)}


def uploaded_file(upload: Any) -> Path | None:
    """Return the file of an upload, given as Gradio's record or as a path; None where nothing of it was uploaded."""
    path = upload.get("path") if isinstance(upload, dict) else getattr(upload, "path", upload)
    try:
        file = Path(path).resolve()
        return file if file.is_relative_to(uploads_folder()) and file.is_file() else None
    except (OSError, TypeError, ValueError, RuntimeError):
        return None


def delete_upload(upload: Any) -> None:
    """Delete an uploaded file and the folder that is its own, if they are there."""
    if file := uploaded_file(upload):
        with suppress(OSError):
            file.unlink()
            file.parent.rmdir()


def open_upload(upload: Any) -> Image.Image:
    """Open an uploaded picture, given as Gradio's file record or path; upright RGB.

    Raises BadImage for all that is not a picture within the limits, and never names a path of the server.
    """
    file = uploaded_file(upload)
    try:
        with open(file or os.devnull, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError:  # deleted meanwhile
        file = None
    if file is None:
        raise BadImage(
            "What was sent is no uploaded picture.",
            f"Pictures are files that you upload ({', '.join(FORMATS)}); addresses are not fetched.",
            "Upload the picture itself.",
        )
    return decode_image(data, repr(file.name[-60:]))


PATCHED = (  # names of Gradio's inside that the page replaces or reads
    (route_utils, "GradioUploadFile"),
    (Block, "move_resource_to_block_cache"),
    (Block, "async_move_resource_to_block_cache"),
    (gr.Video, "preprocess"),
    (gr.Image, "preprocess"),
    (gr.Blocks, "queue"),
)


def require_known_gradio() -> None:
    """Raise InputError where this Gradio lacks a name that the page's protections rest on."""
    missing = [f"{getattr(owner, '__name__', owner)}.{name}" for owner, name in PATCHED if not hasattr(owner, name)]
    if missing:
        raise InputError(
            f"Gradio {gr.__version__} has no {', '.join(missing)}.",
            "The page replaces these names, so that uploads stay apart and no address is fetched.",
            "Install the version that was tested: pip install 'llava-faba[demo]'",
        )


class _UploadOfItsOwn(route_utils.GradioUploadFile):
    """An upload with a folder of its own: Gradio's is named after the content, and two alike would be one file."""

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.sha.update(secrets.token_bytes(16))


def keep_uploads_apart() -> None:
    """Let what one visitor uploads be deleted while another's like it waits to be read; none can be guessed."""
    route_utils.GradioUploadFile = _UploadOfItsOwn  # type: ignore[misc]


def refuse_addresses() -> None:
    """Let no part of the page download an address that a request names.

    This is done to the class: Gradio makes a visitor's parts anew when they are updated.
    """
    for name in ("move_resource_to_block_cache", "async_move_resource_to_block_cache"):
        move = getattr(Block, name)
        if not hasattr(move, "refuses_addresses"):
            setattr(Block, name, _refusing(move))


def _refusing(move: Callable[[Block, Any], Any]) -> Callable[[Block, Any], Any]:
    @wraps(move)
    def checked(block: Block, resource: Any) -> Any:
        if "://" in str(resource) or str(resource).startswith("//"):
            raise gr.Error("Addresses are not fetched. Upload the file itself.", print_exception=False)
        return move(block, resource)

    checked.refuses_addresses = True  # type: ignore[attr-defined]
    return checked


def leave_clips_as_they_are() -> None:
    """Keep Gradio from handing a recording to the program ffmpeg before it was checked."""
    gr.Video.preprocess = lambda self, payload: payload  # type: ignore[method-assign]


def checked_question(question: Any) -> str:
    """Return a question without what the model would take for marks of its own."""
    text = str(question or "")
    for mark in ("<image>", "<im_start>", "<im_end>", "<im_patch>", "<s>", "</s>", "<unk>"):
        text = text.replace(mark, " ")
    text = "".join(c for c in text if c.isprintable() or c == "\n").strip()
    if not text or len(text) > MAX_QUESTION:
        raise InputError(
            f"The question has {len(text)} characters." if text else "There is no question.",
            f"A question has 1 to {MAX_QUESTION} characters.",
            "Shorten it." if text else "Write one, or use one of the buttons.",
        )
    return text


def readable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Show a visitor what was wrong with what they sent, and of our own faults only that there was one."""

    def shown(error: Exception) -> gr.Error:
        if isinstance(error, gr.Error):
            return error
        if isinstance(error, InputError):
            return gr.Error(str(error), print_exception=False)
        log.error("A request failed.", exc_info=error)
        return gr.Error("Something went wrong here. Please try again.", print_exception=False)

    @wraps(function)
    def called(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except Exception as error:
            raise shown(error) from None

    @wraps(function)
    def streamed(*arguments: Any, **keywords: Any) -> Generator[Any, None, None]:
        try:
            yield from function(*arguments, **keywords)
        except Exception as error:
            raise shown(error) from None

    return streamed if isgeneratorfunction(function) else called


def credentials() -> list[tuple[str, str]] | None:
    """Read who may enter from the environment; None: everybody."""
    text = os.environ.get(AUTH_VARIABLE, "").strip()
    if not text:
        return None
    pairs = [tuple(pair.strip().split(":", 1)) for pair in text.split(",")]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise InputError(
            f"The variable {AUTH_VARIABLE} is set and cannot be read.",
            "It is user:password, or several of them with commas between.",
            "Correct or unset it.",
        )
    return pairs  # type: ignore[return-value]
