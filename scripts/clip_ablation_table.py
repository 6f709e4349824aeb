#!/usr/bin/env python
"""Print what ablate_clips.sh has scored, a row a variant.

python scripts/clip_ablation_table.py runs/clip_ablation
"""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import read_json

ROWS = (  # variant of ablate_clips.sh, the part it is about
    ("full", "the severity path, all parts"),
    ("no_colour", "trajectory without R, G, B"),
    ("points_106", "7 x 9 points of insightface"),
    ("constant_shift", "head motion left in (TraMP-Former)"),
    ("published_sampling", "TraMP-Former's frames, fewer at rest"),
    ("published_augmentation", "TraMP-Former's augmentations"),
    ("one_picture", "one picture in the fusion"),
    ("plain_mse", "MSE for balanced MSE"),
    ("ordinal", "ordinal loss for balanced MSE"),
    ("joint", "with the language, decoupled"),
    ("two_stages", "severity first, then the language"),
    ("sections", "joint, reports in sections"),
)
COLUMNS = (  # head, key of the scores, factor
    ("Spearman", "spearman_mean", 100),
    ("covered", "interval_coverage_by_patient", 100),
    ("ROUGE-L", "rouge_l", 100),
    ("BLEU", "bleu", 1),
    ("evidence", "evidence_rate", 100),
)


def ablation_table(folder: Path) -> str:
    """Lay out every variant that is scored in `folder`, in percent; a dash where there is no number.

    Raises MissingFileError where nothing is scored.
    """
    scores = {variant: _scores(folder / variant / "scores.json") for variant, _ in ROWS}
    found = [score for score in scores.values() if score]
    if not found:
        raise MissingFileError(
            f"There are no scores in {folder}.",
            "ablate_clips.sh writes VARIANT/scores.json there.",
            "Run scripts/ablate_clips.sh first, or give its OUT.",
        )
    lines = [f"{'':<40}" + "".join(f"{head:>10}" for head, _, _ in COLUMNS) + f"{'MAE':>10}"]
    for variant, part in ROWS:
        score = scores[variant]
        cells = [_cell(score and score.get(key), factor) for _, key, factor in COLUMNS]
        cells.append(_cell(score and (score["all"] or {}).get("mae"), 1, 2))
        lines.append(f"{part:<40}" + "".join(f"{cell:>10}" for cell in cells))
    expressions = ", ".join(found[0]["per_expression"])
    lines.append(f"{found[0]['rated']} rated clips; Spearman is the mean over {expressions}")
    notes = sorted({note for score in found for note in score["notes"]})
    return "\n".join([*lines, *(f"note: {note}" for note in notes)])


def _scores(file: Path) -> dict[str, Any] | None:
    return read_json(file, "scores") if file.is_file() else None


def _cell(value: float | None, factor: float, digits: int = 1) -> str:
    return "-" if value is None or math.isnan(value) else f"{factor * value:.{digits}f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the OUT of ablate_clips.sh")
    try:
        print(ablation_table(parser.parse_args().folder))
    except InputError as error:
        sys.exit(f"error: {error}")
