#!/usr/bin/env python
"""Write the file map of docs/architecture.md anew from the first sentence of every module's docstring.

python scripts/file_map.py            # write it
python scripts/file_map.py --check    # exit with 1 if it is not up to date
"""

import argparse
import ast
import sys
from pathlib import Path

from written_part import keep_up_to_date

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "llava_faba"
DOCUMENT = REPOSITORY / "docs" / "architecture.md"
BEGIN, END = "<!-- file map: written by scripts/file_map.py -->", "<!-- end of the file map -->"
ROOMS = (  # in the order of the journey
    ".",
    "cluster",
    "face",
    "prior",
    "motion",
    "data",
    "claims",
    "eval",
    "eval/render",
    "evidence",
    "engine",
    "host",
    "model",
    "serving",
    "inference",
    "train",
    "video",
    "starter",
    "demo",
    "commands",
)


def file_map() -> str:
    """Return the map as Markdown: a heading for each room, a line for each module."""
    rooms = [room for room in ROOMS if (PACKAGE / room / "__init__.py").is_file()]
    missing = {path.parent for path in PACKAGE.rglob("__init__.py")} - {PACKAGE / room for room in rooms}
    if missing:
        sys.exit(f"error: {sorted(map(str, missing))} is no room of ROOMS in {__file__}. Add it there.")
    lines = []
    for room in rooms:
        folder = PACKAGE / room
        name = "llava_faba/" if room == "." else f"llava_faba/{room}/"
        lines += [f"### `{name}`", "", _sentence(folder / "__init__.py"), "", "| module | what it does |", "|---|---|"]
        modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        lines += [f"| `{path.stem}` | {_sentence(path).replace('|', chr(92) + '|')} |" for path in modules]
        lines.append("")
    return "\n".join(lines)


def _sentence(path: Path) -> str:
    """The first paragraph of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, say whether it is up to date")
    check = parser.parse_args().check
    return keep_up_to_date(DOCUMENT, BEGIN, END, file_map().rstrip(), "python scripts/file_map.py", check)


if __name__ == "__main__":
    sys.exit(main())
