"""The part of a document that a script writes, between two comments of it."""

import sys
from pathlib import Path


def keep_up_to_date(document: Path, begin: str, end: str, text: str, command: str, check: bool) -> int:
    """Put `text` between the lines `begin` and `end`; with `check` only say whether it stands there; an exit status."""
    before = document.read_text()
    head, _, rest = before.partition(begin)
    after = f"{head}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}"
    if not check:
        document.write_text(after)
    elif after != before:
        print(f"{document} is not up to date. Run: {command}", file=sys.stderr)
        return 1
    return 0
