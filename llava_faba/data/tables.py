"""Plain CSVs of labelled pictures -> the list of them: columns `image` and `label`, or `image` and AU columns."""

import csv
import re
from collections import Counter
from pathlib import Path

from llava_faba.data.fabainstruct import EMOTIONS
from llava_faba.data.layouts import active_aus, add_face, text_lines
from llava_faba.data.protocols import SPELLINGS, Layout
from llava_faba.errors import InputError


def read_csv(train: Path | None, evaluation: Path | None, task: str, image_root: Path | None) -> Layout:
    """Read plain CSVs with the columns `image` and `label`, or `image` and AU columns of 0 and 1 (AU1, AU4, ...).

    Pictures are relative to the CSV's folder unless an image root is given.
    """
    files = [(path, part) for path, part in ((train, "train"), (evaluation, "eval")) if path is not None]
    roots = {image_root or path.parent for path, _ in files}
    if len(roots) != 1:
        raise InputError(
            f"The CSV files lie in {' and '.join(sorted(map(str, roots))) or 'no folder: none is given'}.",
            "Pictures are relative to one folder: the one that both CSV files lie in, or the image root.",
            "Give --train or --eval or both, and --image-root when they lie in different folders.",
        )
    layout = Layout(roots.pop())
    for path, part in files:
        rows = _rows(path)
        columns = [name for name in rows[0] if re.fullmatch(r"AU\d+", name or "")]
        if "image" not in rows[0] or not ("label" in rows[0] or (columns and task == "au")):
            raise InputError(
                f"The CSV {path} has the columns {', '.join(map(str, rows[0]))}.",
                "It needs `image` and `label`, or for AUs `image` and columns of 0 and 1 that are named AU1, AU2, ...",
                "Name the columns in the first line.",
            )
        wrong: Counter[str] = Counter()
        for row in rows:
            if "label" in rows[0]:
                label = _emotion(row["label"]) if task == "emotion" else _aus(row["label"])
            else:
                label = active_aus({int(name[2:]): row[name] for name in columns})
            if label is None:
                wrong[str(row.get("label", {name: row[name] for name in columns}))] += 1
                continue
            add_face(layout, row["image"] or "", label, part)
        if wrong:
            listed = ", ".join(f"{label!r} ({n}x)" for label, n in wrong.most_common(20))
            emotions = (
                f"An emotion is one of {', '.join(EMOTIONS)} (names, since every data set numbers them otherwise)."
            )
            raise InputError(
                f"The CSV {path} has {sum(wrong.values())} unknown labels for the task {task!r}: {listed}.",
                emotions if task == "emotion" else 'AUs are written "1, 4" or "AU1+AU4", no AU as "" or "none".',
                "Correct the labels, or give the other --task.",
            )
    return layout


def _emotion(text: str | None) -> str | None:
    return SPELLINGS.get((text or "").strip().lower())


def _aus(text: str | None) -> tuple[int, ...] | None:
    words = re.split(r"[\s,;+]+", (text or "").strip())
    if words in ([""], ["none"], ["None"]):
        return ()
    numbers = [re.fullmatch(r"(?:AU)?0*([1-9]\d?)", word, re.IGNORECASE) for word in words]
    return tuple(sorted({int(number[1]) for number in numbers if number})) if all(numbers) else None


def _rows(path: Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader(text_lines(path, "CSV")))
    if not rows:
        raise InputError(f"The CSV {path} has no rows.", "It has a header and a row a picture.", "Give another file.")
    return rows
