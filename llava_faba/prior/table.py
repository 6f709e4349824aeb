"""Vectors of a whole data set in one file: `priors.npy`, (n, P) float32, a sample's vector named `priors.npy#ROW`.

The file is mapped into memory: a row costs no open file, and the ranks and workers of one machine share its pages.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

TABLE = "priors.npy"
_ROW = re.compile(r"(.+\.npy)#(\d+)")


def split_row(path: Path | str) -> tuple[Path, int | None]:
    """Return a prior's file and the row in it; None for a file of one vector.

    >>> split_row("store/priors.npy#17")
    (PosixPath('store/priors.npy'), 17)
    """
    found = _ROW.fullmatch(str(path))
    return (Path(found[1]), int(found[2])) if found else (Path(path), None)


def read_row(file: Path, row: int) -> np.ndarray:
    """Return one row (P,) of a table; ValueError where the file is no table or has no such row."""
    status = file.stat()
    table = _opened(str(file), status.st_size, status.st_mtime_ns)
    if row >= len(table):
        raise ValueError(f"it has {len(table)} rows, and row {row} is asked for")
    return table[row]


def read_rows(file: Path, rows: np.ndarray, size: int) -> np.ndarray | None:
    """Return rows (n, size) of a table as float32; None where one of them cannot be used."""
    try:
        status = file.stat()
        table = _opened(str(file), status.st_size, status.st_mtime_ns)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, MemoryError, OverflowError):
        return None
    if table.shape[1] != size or rows.max() >= len(table):
        return None
    found = table[rows].astype(np.float32)
    return found if np.isfinite(found).all() else None


def write_table(file: Path, vectors: Iterable[np.ndarray], rows: int, size: int) -> None:
    """Write `rows` vectors of `size` numbers as one table, whole or not at all, one vector in memory at a time."""
    partial = file.with_name(f".{file.name}.partial")
    table = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=(rows, size))
    for row, vector in enumerate(vectors):
        table[row] = vector
    table.flush()
    del table
    partial.replace(file)


@lru_cache(maxsize=8)
def _opened(file: str, size: int, modified: int) -> np.ndarray:
    table = np.load(file, mmap_mode="r", allow_pickle=False)
    if table.ndim != 2 or table.dtype.kind not in "fiu":
        raise ValueError(f"{table.dtype} of shape {table.shape}, where rows of numbers are expected")
    return table
