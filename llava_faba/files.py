"""What every step does with files: stay inside the image root, replace a file whole, append whole lines, alone.

Nothing here leaves a half-written file: a file is written under a temporary name and renamed, and a JSON line or a row
that a kill cut short is dropped by the next reader. A file that grows has one writer: a lock beside it names its owner.
"""

import hashlib
import json
import math
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from llava_faba.errors import InputError, MissingFileError


def resolve_inside(root: Path | str, relative: str, sample: str) -> Path:
    """Resolve an annotation's path, which must stay inside `root` with all links followed; `sample` names it in errors.

    The file itself need not exist. Raises InputError for an absolute path, `..` or a link that leads out, and for what
    no file can be called: NUL, half a surrogate pair, a circle of links.
    """
    root = Path(root).resolve()
    text = str(relative)
    try:
        resolved = None if Path(text).is_absolute() else (root / text).resolve()
    except (OSError, ValueError, RuntimeError):
        resolved = None
    if resolved is None or not resolved.is_relative_to(root):
        raise InputError(
            f"Sample {sample!r} names the file {text!r}, which is not inside {root}.",
            "A path in an annotation file is relative to the image root and stays inside it, links included.",
            "Correct the path, or give the folder that holds all files as the image root.",
        )
    return resolved


def path_inside(root: Path | str, relative: str, sample: str) -> Path:
    """Return an annotation's path below the user's own `root`, absolute and with links followed when it is opened.

    Data sets are often folders of links to one shared copy, and the user made those links. An annotation file may come
    from anybody, so its text may not leave `root`: InputError, which names the `sample`, for an absolute path, `..`,
    NUL and half a surrogate pair.
    Use `resolve_inside` where what is read is shown to somebody else.

    >>> path_inside("/data/images", "train/1.jpg", "1").as_posix()
    '/data/images/train/1.jpg'
    """
    text = str(relative)
    parts = PurePosixPath(text.replace("\\", "/") if os.name == "nt" else text).parts
    if Path(text).is_absolute() or ".." in parts or "\0" in text or not _is_utf8(text):
        raise InputError(
            f"Sample {sample!r} names the file {text!r}, which is not inside {root}.",
            "A path in an annotation file is relative to the image root and stays inside it, without `..`.",
            "Correct the path, or give the folder that holds all files as the image root.",
        )
    return Path(os.path.abspath(root)) / text


def _is_utf8(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def existing_file(path: Path | str, what: str, remedy: str = "Check the path.") -> Path:
    """Return `path` if it is a file; `what` names its role in the error."""
    path = Path(path)
    if not os.path.isfile(path):  # unlike Path.is_file it also answers for names that no file can have
        found = "is a folder" if os.path.isdir(path) else "does not exist"
        raise MissingFileError(f"The {what} {path} {found}.", "It must be a file that can be read.", remedy)
    return path


def read_json(path: Path | str, what: str) -> Any:
    """Read a JSON file; an error names the file, the line and the column."""
    text = existing_file(path, what).read_bytes()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # the latter: brackets without end
        raise InputError(
            f"The {what} {path} is not JSON: {error}.",
            "It must be one JSON document in UTF-8.",
            "Repair or replace it.",
        ) from error


def write_atomically(path: Path | str, content: str | bytes) -> Path:
    """Write a file whole or not at all: temporary name in the same folder, fsync, rename; a pipe is written to."""
    path = Path(path)
    content = content.encode() if isinstance(content, str) else content
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):  # /dev/stdout, /dev/fd/63: never replaced by a file
        with open(path, "wb") as file:
            file.write(content)
        return path
    path = path.resolve()  # a link stays a link
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def write_json(path: Path | str, value: Any) -> Path:
    """Write `value` as readable JSON, whole or not at all; see `json_text`."""
    return write_atomically(path, json_text(value))


def json_text(value: Any) -> str:
    """Return `value` as readable JSON with a line end; nan and infinity, which JSON lacks, are null."""
    return json.dumps(without_nan(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def without_nan(value: Any) -> Any:
    """Return a copy of lists and dicts in which numbers that JSON cannot hold are None.

    >>> without_nan({"mae": float("nan"), "n": [1, 0.5]})
    {'mae': None, 'n': [1, 0.5]}
    """
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def file_hash(path: Path | str) -> str:
    """Return the SHA-256 of a file, in hex; a file that did not change is read once a process."""
    status = Path(path).stat()
    return _file_hash(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _file_hash(path: str, size: int, modified: int) -> str:
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


class WriterLock:
    """The right to write one file, held until `release` or until the process ends, however it ends.

    FILE.lock holds {"host", "pid"} of the owner. The operating system drops the lock of a dead process, so that a lock
    file left behind by a kill on this machine is taken over; one left by another machine is refused.

    >>> lock = WriterLock("answers.jsonl")  # doctest: +SKIP
    >>> WriterLock("answers.jsonl")  # in a second process  # doctest: +SKIP
    InputError: answers.jsonl is being written by process 4711 on node7. ...
    """

    def __init__(self, path: Path | str):
        self.path = Path(f"{path}.lock")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._owner = {"host": socket.gethostname(), "pid": os.getpid()}
        while True:
            file = open(self.path, "a+")
            owned = _lock_file(file)
            file.seek(0)
            owner = _owner_in(file.read())
            if not owned or owner.get("host", self._owner["host"]) != self._owner["host"]:
                file.close()
                raise self._refusal(path, owner)
            if _is_at(file, self.path):
                break
            file.close()  # its owner removed it meanwhile: lock the new one
        file.truncate(0)
        file.write(json.dumps(self._owner))
        file.flush()
        self.file = file

    def _refusal(self, path: Path | str, owner: dict[str, Any]) -> InputError:
        who = f"process {owner.get('pid', '(unknown)')} on {owner.get('host', 'this machine')}"
        return InputError(
            f"{path} is being written by {who}.",
            "A file has one writer at a time.",
            f"Wait until it ends, or choose another file; if that process is dead, remove {self.path}.",
        )

    def release(self) -> None:
        """Give the right back; a second call does nothing."""
        if not self.file.closed:
            self.path.unlink(missing_ok=True)  # before the lock is dropped, so that nobody else's file is removed
            self.file.close()


def _lock_file(file: Any) -> bool:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _owner_in(text: str) -> dict[str, Any]:
    try:
        owner = json.loads(text)
    except ValueError:  # empty, or cut short by a kill
        return {}
    return owner if isinstance(owner, dict) else {}


def _is_at(file: Any, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def read_json_lines(path: Path | str) -> Iterator[dict[str, Any]]:
    """Yield the records of a file that grows, also while it does: a torn last line is left out."""
    with open(path, "rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


class GrowingFile:
    """A file to which one process appends; what follows its last whole line or row is cut at opening."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._lock = WriterLock(path)
        self._is_new = not self.path.exists()
        self.file = open(self.path, "a+b")
        self.file.seek(0)
        self.file.truncate(self.whole_bytes(self.file.read()))

    def whole_bytes(self, content: bytes) -> int:
        """Return how many bytes of what is there are kept."""
        return content.rfind(b"\n") + 1

    def write(self, content: bytes) -> None:
        """Put bytes at the end, and onto the disk."""
        self.file.write(content)
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self, refused: bool = False) -> None:
        """Let others write; a new file of a run that was `refused` before it wrote anything does not stay."""
        if refused and self._is_new and not self.file.closed and self.path.exists() and not self.path.stat().st_size:
            self.path.unlink()
        self.file.close()
        self._lock.release()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close(refused=any(exception))


class JsonLines(GrowingFile):
    """A file that grows by whole JSON lines, each on disk before `append` returns; a torn last line is cut at opening.

    An interrupted run that is started again and appends what is missing ends with the bytes of an uninterrupted one.
    While it is open nobody else can open it; see `WriterLock`.
    """

    def append(self, record: dict[str, Any]) -> None:
        """Add one record."""
        self.write(json.dumps(without_nan(record), ensure_ascii=False).encode() + b"\n")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The records that are there already."""
        return read_json_lines(self.path)
