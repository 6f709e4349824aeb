"""An annotation file -> a drawn sample for people to judge; their sheets -> how good the annotations are.

The draw is stratified by label and by doubt; doubtful samples are drawn more often, and each drawn one has a weight,
the samples that it stands for, so that the estimates are of the whole file. Beside them stand FABA-Instruct's own
(supplement of arXiv 2404.05052, Tables 2 and 3; estimated on 200 samples a task).
"""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.engine.agreement import accuracy, effective_n, kappa_with_interval, weighted_f1
from llava_faba.engine.checks import DOUBTFUL
from llava_faba.engine.readings import Label, label_of, task_of, text_of
from llava_faba.engine.sheet import Judged, Row
from llava_faba.errors import InputError
from llava_faba.faces import sample_id
from llava_faba.files import path_inside
from llava_faba.vocabulary import FABA_AUS

OVERSAMPLED = 3.0  # a doubtful sample is drawn that much more often
PAPER_ACCURACY = 91.0  # percent, emotion: supplement, Table 2
PAPER_F1 = dict(  # percent: supplement, Table 3; AU14 is not in it
    zip(
        (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 17, 20, 23, 24, 25, 26, 27, 43),
        (92.2, 95.6, 84.2, 90.7, 82.6, 65.9, 61.3, 58.1, 84.3, 70.6, 66.7, 55.2, 79.1, 79.5, 84.9, 83.9, 78.8, 57.1),
        strict=True,
    )
)
PAPER_MEAN_F1 = 76.1

Entry = dict[str, Any]


def draw(entries: Sequence[Entry], n: int, seed: int = 0) -> list[tuple[Entry, float]]:
    """Draw n samples, the most doubtful first, each with its weight; all of them where n is as large.

    Strata are task, doubt and label (of AUs: the rarest one in the text), or fewer of these where n is too small for
    all. Each stratum gets its share of n, doubtful ones OVERSAMPLED times as much, and one at least; within a stratum
    every sample is as likely.
    """
    kinds = _kinds(entries)
    kept = next((k for k in (3, 2, 1, 0) if len({kind[:k] for kind in kinds}) <= n), 0)
    strata: dict[tuple[Any, ...], list[int]] = {}
    for place, kind in enumerate(kinds):
        strata.setdefault(kind[:kept], []).append(place)
    keys = sorted(strata)
    sizes = np.array([len(strata[key]) for key in keys], dtype=float)
    shares = sizes * [OVERSAMPLED if key[1:2] == (True,) else 1.0 for key in keys]
    taken = _allocate(shares, sizes, min(n, len(entries)))
    rng = np.random.default_rng(seed)
    drawn = []
    for key, size, count in zip(keys, sizes, taken, strict=True):
        drawn += [(entries[strata[key][k]], float(size / count)) for k in rng.permutation(int(size))[:count]]
    return sorted(drawn, key=lambda pair: (pair[0].get("confidence", 1.0), str(sample_id(pair[0]))))


def as_rows(drawn: Sequence[tuple[Entry, float]], image_root: Path) -> list[Row]:
    """Return drawn samples as rows of a sheet."""
    rows = []
    for entry, weight in drawn:
        name = str(sample_id(entry))
        image = str(entry.get("image"))
        picture = path_inside(image_root, image, name)
        rows.append(Row(name, image, task_of(entry), text_hash(entry), weight, text_of(entry), picture))
    return rows


def text_hash(entry: Entry) -> str:
    """Return 16 hex digits of a sample's text and label, by which a sheet knows what it was made for."""
    return hashlib.sha256(f"{text_of(entry)}\n{entry.get('label')}".encode()).hexdigest()[:16]


def measure_quality(entries: Sequence[Entry], judged: Sequence[Judged], empty: int = 0) -> dict[str, Any]:
    """Hold a file's labels against a person's; percent, with 95 % intervals, null where undefined.

    Returns for each judged task: `emotion` (accuracy), `au` (F1 of each AU and their mean). Samples that the
    person found unclear are counted and left out. Raises InputError where a sheet was made for another file.
    """
    by_id = {str(sample_id(entry)): entry for entry in entries}
    for one in judged:
        if one.id not in by_id or text_hash(by_id[one.id]) != one.answer_sha256:
            raise InputError(
                f"The sheet judges the sample {one.id!r}, which the file does not hold, or holds with another text.",
                "A sheet is read with the file from which it was drawn.",
                "Give that file, or draw a new sheet.",
            )
    clear = [one for one in judged if one.label is not None]
    result: dict[str, Any] = {"judged": len(clear), "unclear": len(judged) - len(clear), "empty": empty}
    for task, measure in (("emotion", _emotion), ("au", _aus)):
        own = [one for one in clear if one.task == task]
        if own:
            result[task] = measure(own, [label_of(by_id[one.id]) for one in own])
    return result


def compare_people(one: Sequence[Judged], other: Sequence[Judged]) -> dict[str, Any]:
    """Return Cohen's kappa of two people's sheets on the samples that both judged, with 95 % intervals.

    For emotions one kappa; for AUs one an AU that somebody saw, and their mean.
    """
    first, second = ({row.id: row for row in rows if row.label is not None} for rows in (one, other))
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise InputError(
            "The two sheets share no judged sample.",
            "Kappa needs samples that both people judged.",
            "Give such sheets.",
        )
    result: dict[str, Any] = {"shared": len(shared)}
    emotions = [name for name in shared if first[name].task == "emotion"]
    if emotions:
        value, ends = kappa_with_interval(*([rows[name].label for name in emotions] for rows in (first, second)))
        result["emotion"] = {"n": len(emotions), "kappa": _round(value), "ci95": list(map(_round, ends))}
    units = [name for name in shared if first[name].task == "au"]
    if units:
        seen = sorted({au for rows in (first, second) for name in units for au in rows[name].label or ()})
        each = {
            f"AU{au}": kappa_with_interval(*([au in (rows[n].label or ()) for n in units] for rows in (first, second)))
            for au in seen
        }
        defined = [value for value, _ in each.values() if not math.isnan(value)]
        result["au"] = {
            "n": len(units),
            "kappa": _round(float(np.mean(defined))) if defined else None,
            "each": {name: {"kappa": _round(v), "ci95": list(map(_round, ends))} for name, (v, ends) in each.items()},
        }
    return result


def _kinds(entries: Sequence[Entry]) -> list[tuple[str, bool, str]]:
    """The task, doubt and label of each sample."""
    labels = [label_of(entry) for entry in entries]
    counts = Counter(au for label in labels if isinstance(label, tuple) for au in label)
    kinds = []
    for entry, label in zip(entries, labels, strict=True):
        name = label if isinstance(label, str) else str(min(label or ("none",), key=lambda au: counts[au]))
        confidence = entry.get("confidence")
        kinds.append((task_of(entry), isinstance(confidence, int | float) and confidence < DOUBTFUL, name))
    return kinds


def _allocate(shares: np.ndarray, sizes: np.ndarray, n: int) -> list[int]:
    """Whole numbers in proportion to `shares`, at least 1, at most `sizes`, together n."""
    taken = np.ones(len(sizes))
    while taken.sum() < n:
        wish = np.where(taken < sizes, shares * n / shares.sum() - taken, -np.inf)
        taken[int(np.argmax(wish))] += 1
    return taken.astype(int).tolist()


def _emotion(rows: Sequence[Judged], labels: Sequence[Label | None]) -> dict[str, Any]:
    right = [label == row.label for row, label in zip(rows, labels, strict=True)]
    weights = [row.weight for row in rows]
    share, ends = accuracy(right, weights)
    return {
        "n": len(rows),
        "effective_n": round(effective_n(weights), 1),
        "right": sum(right),
        "accuracy": _percent(share),
        "ci95": list(map(_percent, ends)),
        "paper": PAPER_ACCURACY,
    }


def _aus(rows: Sequence[Judged], labels: Sequence[Label | None]) -> dict[str, Any]:
    known = FABA_AUS
    truth = np.array([[au in (row.label or ()) for au in known] for row in rows], dtype=float)
    found = np.array([[au in (label or ()) for au in known] for label in labels], dtype=float)
    weights = [row.weight for row in rows]
    values, ends = weighted_f1(truth, found, weights)
    shown = [k for k in range(len(known)) if truth[:, k].any() or found[:, k].any()]
    defined = values[~np.isnan(values)]
    return {
        "n": len(rows),
        "effective_n": round(effective_n(weights), 1),
        "mean_f1": _percent(float(defined.mean())) if len(defined) else None,
        "paper_mean_f1": PAPER_MEAN_F1,
        "each": {
            f"AU{known[k]}": {
                "seen": int(truth[:, k].sum()),
                "f1": _percent(values[k]),
                "ci95": list(map(_percent, ends[k])),
                "paper": PAPER_F1.get(known[k]),
            }
            for k in shown
        },
    }


def _percent(share: float) -> float | None:
    return None if math.isnan(share) else round(100 * float(share), 1)


def _round(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 3)
