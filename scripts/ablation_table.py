#!/usr/bin/env python
"""Print what ablate.sh has scored beside the paper's numbers.

python scripts/ablation_table.py runs/ablation
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingFileError
from llava_faba.eval.published import published
from llava_faba.files import read_json

ROWS = (  # table, printed row, variant of ablate.sh
    ("Table 8", "prior token only", "prior_only"),
    ("Table 8", "visual tokens only", "visual_only"),
    ("Table 8", "visual tokens and prior token", "both"),
    ("Table 9", "prior projector tuned", "projector_alone"),
    ("Table 9", "LoRA and visual projector tuned", "random_projector"),
    ("Table 9", "all three tuned", "both"),
    ("Table S4", "EmoLA (single task)", "both"),
    ("Table S4", "EmoLA (multi-task)", "multi_task"),
    ("Table S5", "prior token before visual tokens", "before"),
    ("Table S5", "prior token after visual tokens", "both"),
)
METRICS = ("s_re", "s_ge")
TASKS = ("emotion", "au")


def ablation_table(folder: Path) -> str:
    """Lay out every variant that is scored in `folder` beside the paper's row; percent, a dash where there is none.

    Raises MissingFileError where nothing is scored.
    """
    scores = {(variant, task): _score(folder / variant / task) for _, _, variant in ROWS for task in TASKS}
    if not any(scores.values()):
        raise MissingFileError(
            f"There are no scores in {folder}.",
            "ablate.sh writes VARIANT/TASK/score.json there.",
            "Run scripts/ablate.sh first, or give its OUT.",
        )
    printed = {(row.table, row.method, row.task): row.values for row in published("faba")}
    lines = [f"{'':<44}{'emotion: ours':>15}{'paper':>13}{'AU: ours':>15}{'paper':>13}"]
    lines.append(
        f"{'':<44}" + "".join(f"{head:>{width}}" for head, width in [("S_re/S_ge", 15), ("S_re/S_ge", 13)] * 2)
    )
    for table, row, variant in ROWS:
        cells = [
            f"{_pair(found):>{width}}"
            for task in TASKS
            for found, width in ((scores[variant, task], 15), (printed.get((table, row, task)), 13))
        ]
        lines.append(f"{table}, {row}".ljust(44) + "".join(cells))
    counts = {task: next((s["n"] for (_, t), s in scores.items() if t == task and s), None) for task in TASKS}
    lines.append("samples: " + ", ".join(f"{task} {n}" for task, n in counts.items() if n))
    return "\n".join(lines)


def _score(place: Path) -> dict[str, Any] | None:
    file = place / "score.json"
    return read_json(file, "score")[0] if file.is_file() else None


def _pair(values: dict[str, Any] | None) -> str:
    if not values:
        return "-"
    return "/".join("-" if values.get(key) is None else f"{values[key]:.1f}" for key in METRICS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the OUT of ablate.sh")
    try:
        print(ablation_table(parser.parse_args().folder))
    except InputError as error:
        sys.exit(f"error: {error}")
