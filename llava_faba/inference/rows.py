"""A table that grows by whole rows: what `describe --csv` writes."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from llava_faba.files import GrowingFile


class CsvRows(GrowingFile):
    """A CSV file that grows by whole rows under one header, each on disk before `append` returns.

    As pandas, R and Excel read it: comma, double quotes, UTF-8, LF. A torn last row is cut at opening. While it is open
    nobody else can open it; see `WriterLock`.
    """

    def __init__(self, path: Path | str, columns: Sequence[str], on_open: Callable[[], None] = lambda: None):
        """Open or begin the table; `on_open` is called with the lock held, before anything is written."""
        super().__init__(path)
        try:
            on_open()
            self.file.truncate(self.whole_bytes(self.path.read_bytes()))  # it may have been emptied
        except BaseException:
            self.close(refused=True)
            raise
        self.columns = tuple(columns)
        if self.file.tell() == 0:
            self.append([dict(zip(self.columns, self.columns, strict=True))])

    def whole_bytes(self, content: bytes) -> int:
        end = content.rfind(b"\n")
        while end >= 0 and content.count(b'"', 0, end) % 2:  # this line ends inside of quotes
            end = content.rfind(b"\n", 0, end)
        self.file.seek(end + 1)
        return end + 1

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows, all at once; what a row does not say is left empty, and a key that is no column is an error."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writerows({name: _one_line_end(value) for name, value in row.items()} for row in rows)
        self.write(text.getvalue().encode(errors="backslashreplace"))  # a file's name need not be UTF-8

    def __iter__(self) -> Iterator[dict[str, str]]:
        """The rows that are there already, as texts."""
        with open(self.path, encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def _one_line_end(value: Any) -> Any:
    """A text with the one kind of line end that every CSV reader takes inside of quotes, and without NUL."""
    if not isinstance(value, str):
        return value
    return value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
