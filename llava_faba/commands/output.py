"""What a command has made -> standard output or a file, and one line on standard error that says where it is."""

import sys
from pathlib import Path
from typing import Any


def emit(content: str | bytes, place: str | Path) -> None:
    """Write to a file, whole or not at all, and say so; "-" is standard output."""
    from llava_faba.files import write_atomically

    if str(place) == "-":
        sys.stdout.write(content if isinstance(content, str) else content.decode())
    else:
        say_written(write_atomically(place, content))


def emit_json(value: Any, place: str | Path) -> None:
    """Write a value as JSON (nan is null) to a file, and say so; "-" is standard output."""
    from llava_faba.files import json_text

    emit(json_text(value), place)


def say_written(place: str | Path, what: str = "") -> None:
    """Say on standard error that a file is written, with `what` is in it."""
    print(f"written: {place}" + (f" ({what})" if what else ""), file=sys.stderr)
