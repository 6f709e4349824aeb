"""What a benchmark measured -> a JSON file that says where and when; scripts/performance.py makes a table of them."""

import datetime
import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any


def row(what: str, measured: str, ratio: float) -> dict[str, Any]:
    """One line of the table: what was done, the result in words, and its ratio, which another run is held against."""
    return {"what": what, "measured": measured, "ratio": round(ratio, 3)}


def keep(path: str | Path | None, rows: list[dict[str, Any]], **figures: Any) -> None:
    """Print the rows; with a path, write them there with all figures, the date, the machine and the libraries."""
    for line in rows:
        print(f"{line['what']}: {line['measured']}")
    if path is None:
        return
    about = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "libraries": {name: metadata.version(name) for name in ("torch", "transformers", "numpy")},
    }
    Path(path).write_text(json.dumps({**about, "rows": rows, **figures}, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """The cores that this process may use, the processor's name and the memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cores": len(os.sched_getaffinity(0)), "processor": _processor(), "memory_gib": round(memory)}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n")
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
