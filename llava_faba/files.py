"""Habits with files that every step on disk shares: stay inside the image root, replace whole, append whole lines.

Nothing here leaves a half-written file: a file is written beside its place and renamed onto it, and a JSON line or a
row that a kill cut short is dropped by the next reader.
"""

import csv
import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterator, Sequence
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
    """Write a file whole or not at all: temporary name in the same folder, fsync, rename."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def write_json(path: Path | str, value: Any) -> Path:
    """Write `value` as readable JSON, whole or not at all."""
    return write_atomically(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


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


class JsonLines:
    """A file that grows by whole JSON lines, each on disk before `append` returns; a torn last line is cut at opening.

    An interrupted run that is started again and appends what is missing ends with the bytes of an uninterrupted one.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "a+b")
        self._file.seek(0)
        whole = self._file.read()
        self._file.truncate(whole.rfind(b"\n") + 1)

    def append(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "JsonLines":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The records that are there already."""
        with open(self.path, "rb") as file:
            for line in file:
                yield json.loads(line)


class CsvRows:
    """A CSV file that grows by whole rows under one header, each on disk before `append` returns.

    As pandas, R and Excel read it: comma, double quotes, UTF-8, LF. A torn last row is cut at opening.
    """

    def __init__(self, path: Path | str, columns: Sequence[str]):
        self.path, self.columns = Path(path), tuple(columns)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "a+b")
        self._file.seek(0)
        whole = self._file.read()
        end = whole.rfind(b"\n")
        while end >= 0 and whole.count(b'"', 0, end) % 2:  # this line ends inside of quotes
            end = whole.rfind(b"\n", 0, end)
        self._file.truncate(end + 1)
        if end < 0:
            self.append([dict(zip(self.columns, self.columns, strict=True))])

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows, all at once; what a row does not say is left empty, and a key that is no column is an error."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writerows({name: _one_line_end(value) for name, value in row.items()} for row in rows)
        self._file.write(text.getvalue().encode(errors="backslashreplace"))  # a file's name need not be UTF-8
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "CsvRows":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[dict[str, str]]:
        """The rows that are there already, as texts."""
        with open(self.path, encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def _one_line_end(value: Any) -> Any:
    """A text with the one kind of line end that every CSV reader takes inside of quotes, and without NUL."""
    if not isinstance(value, str):
        return value
    return value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
