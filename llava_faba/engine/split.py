"""One annotation file -> train, validation and test files: no subject and no duplicate in two of them, labels alike.

Samples of one subject, and pictures that are the same or nearly, form a group; a group goes whole into the part that
lacks its labels most. What decides is recorded in split.json: seed, hashes, groups, and every pair of duplicates.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.engine.duplicates import NEAR, Pair, duplicate_pairs, joined
from llava_faba.engine.readings import label_name, label_of, read_entries, task_of, text_of
from llava_faba.errors import InputError
from llava_faba.faces import sample_id
from llava_faba.files import existing_file, file_hash, path_inside, write_json

RECORD = "split.json"
Entry = dict[str, Any]


def split_file(
    data: Path,
    image_root: Path,
    out: Path,
    shares: Mapping[str, float],
    seed: int = 0,
    subjects: Mapping[str, str] | None = None,
    near: int = NEAR,
    against: Path | None = None,
) -> dict[str, Any]:
    """Write OUT/train.json and the parts that `shares` names, and OUT/split.json; return what that holds.

    Validation and test are written as evaluation samples; a sample whose text names no label, or several, cannot be
    scored and stays in train. What duplicates a picture of `against`, a fixed test file, is left out of every part.
    """
    entries = read_entries(data)
    taken = read_entries(against) if against else []
    files = [_picture(entry, image_root, source) for entry, source in _sourced(entries, data, taken, against)]
    pairs = duplicate_pairs(files, near)
    held = {pair.one for pair in pairs if pair.one < len(entries) <= pair.other}
    own = [pair for pair in pairs if pair.other < len(entries)]
    subject_of = [subject_name(entry, subjects) for entry in entries]
    groups = joined(len(entries), [(pair.one, pair.other) for pair in own] + _same_subject(subject_of))
    held_groups = {groups[index] for index in held}
    used = [index for index in range(len(entries)) if groups[index] not in held_groups]
    labels = [label_of(entry) for entry in entries]
    part_of = assign(
        [groups[index] for index in used],
        [_strata(task_of(entries[index]), labels[index]) for index in used],
        shares,
        seed,
        {groups[index] for index in used if labels[index] is None},
    )
    chosen = dict(zip(used, part_of, strict=True))
    parts = {name: [i for i in used if chosen[i] == name] for name in ("train", *shares)}
    _refuse_empty(parts, groups)
    written = {
        name: write_json(out / f"{name}.json", [_as_written(entries[i], labels[i], name) for i in indices])
        for name, indices in parts.items()
    }
    record = {
        "data": str(data),
        "data_sha256": file_hash(data),
        "seed": seed,
        "shares": dict(shares),
        "near": near,
        "subjects": len({name for name in subject_of if name is not None}),
        "groups": len({groups[index] for index in used}),
        "parts": {
            name: {
                "samples": len(indices),
                "sha256": hashlib.sha256(written[name].read_bytes()).hexdigest(),
                "labels": dict(Counter(s for i in indices for s in _strata("", labels[i])).most_common()),
            }
            for name, indices in parts.items()
        },
        "duplicates": [_told(pair, entries) for pair in own],
        "left_out": sorted({sample_id(entries[i]) for i in range(len(entries)) if groups[i] in held_groups}),
        "duplicates_of_test": [_told(pair, entries + taken) for pair in pairs if pair.one in held],
    }
    write_json(out / RECORD, record)
    return record


def assign(
    groups: Sequence[int],
    strata: Sequence[Sequence[str]],
    shares: Mapping[str, float],
    seed: int,
    to_train: Collection[int] = (),
) -> list[str]:
    """Return each sample's part; groups are kept whole and labels spread alike.

    Groups are taken in an order drawn by the seed, those of rare labels and large ones first; each goes to the part
    that lacks most of what it holds, weighed by rarity (iterative stratification, Sechidis et al. 2011,
    doi 10.1007/978-3-642-23808-6_10, on groups).
    """
    names = ["train", *shares]
    wanted = np.array([1 - sum(shares.values()), *shares.values()])
    kinds = sorted({kind for sample in strata for kind in sample})
    places = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    holds = np.zeros((len(places), len(kinds) + 1))
    for group, sample in zip(groups, strata, strict=True):
        holds[places[group], [*(kinds.index(kind) for kind in sample), len(kinds)]] += 1
    total = holds.sum(axis=0)
    rarity = 1 / np.maximum(total, 1)
    lacking = wanted[:, None] * total  # (parts, kinds + 1)
    order = np.random.default_rng(seed).permutation(len(places))
    rarest = np.where(holds[:, :-1] > 0, total[:-1], total[-1]).min(axis=1, initial=total[-1])
    doublings = np.round(np.log2([rarest, holds[:, -1]]))  # coarse, so that the seed has a say
    order = order[np.lexsort((-doublings[1][order], doublings[0][order]))]
    part = np.zeros(len(places), dtype=int)
    fixed = {places[group] for group in to_train}
    for group in sorted(order, key=lambda group: group not in fixed):
        if group not in fixed:
            need = (lacking * (rarity * holds[group])).sum(axis=1) / np.maximum(wanted, 1e-9)
            need[wanted <= 0] = -np.inf
            part[group] = int(np.argmax(need))
        lacking[part[group]] -= holds[group]
    return [names[part[places[group]]] for group in groups]


def read_subjects(csv_file: Path | None, pattern: str | None, entries: Sequence[Entry]) -> dict[str, str]:
    """Return the subject of each sample by its image or id: from a CSV (image, subject), or by a pattern on its image.

    The pattern's first group, or all that it matches, is the subject. Raises InputError where a sample has none.
    """
    import csv

    found: dict[str, str] = {}
    if csv_file is not None:
        with open(existing_file(csv_file, "file of subjects"), newline="", encoding="utf-8-sig") as file:
            found = {row["image"]: row["subject"] for row in csv.DictReader(file) if {"image", "subject"} <= row.keys()}
    elif pattern is not None:
        try:
            matches = {entry["image"]: re.search(pattern, entry["image"]) for entry in entries if entry.get("image")}
        except re.error as error:
            raise InputError(
                f"--subject-pattern is {pattern!r}: {error}.", "It is a regular expression.", "Correct it."
            ) from error
        found = {image: match[match.re.groups and 1] for image, match in matches.items() if match}
    missing = [str(entry.get("image")) for entry in entries if entry.get("image") not in found]
    if missing:
        raise InputError(
            f"{len(missing)} samples have no subject, the first is {missing[0]!r}.",
            "Subjects are kept apart only when each sample's is known.",
            "Complete the CSV (columns image, subject), or correct the pattern.",
        )
    return found


def subject_name(entry: Entry, subjects: Mapping[str, str] | None) -> str | None:
    """Return a sample's subject: as given, else its own `subject`; None where it has none."""
    given = (subjects or {}).get(str(entry.get("image")))
    return given if given is not None else entry.get("subject") and str(entry["subject"])


def _sourced(entries: list[Entry], data: Path, taken: list[Entry], against: Path | None) -> list[tuple[Entry, Path]]:
    return [(entry, data) for entry in entries] + [(entry, against) for entry in taken if against]


def _picture(entry: Entry, image_root: Path, source: Path) -> Path:
    if not isinstance(entry.get("image"), str):
        raise InputError(
            f"Sample {sample_id(entry)!r} of {source} has no image.", "A split is of pictures.", "Remove the sample."
        )
    return path_inside(image_root, entry["image"], str(sample_id(entry)))


def _same_subject(names: Sequence[str | None]) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    return [(first.setdefault(name, index), index) for index, name in enumerate(names) if name is not None]


def _strata(task: str, label: Any) -> list[str]:
    if label is None:
        return []
    return [label] if isinstance(label, str) else [f"AU{au}" for au in label] or ["none"]


def _as_written(entry: Entry, label: Any, part: str) -> Entry:
    if part == "train" or "conversations" not in entry:
        return entry
    kept = {key: value for key, value in entry.items() if key != "conversations"}
    return {**kept, "label": label_name(label), "gpt4": text_of(entry)}


def _refuse_empty(parts: Mapping[str, Sequence[int]], groups: Sequence[int]) -> None:
    empty = [name for name, indices in parts.items() if not indices]
    if empty:
        raise InputError(
            f"The part {empty[0]} would be empty: {sum(map(len, parts.values()))} samples form "
            f"{len({groups[i] for indices in parts.values() for i in indices})} groups.",
            "Each part takes whole groups (a subject, or pictures that are the same).",
            "Give other shares, or more data.",
        )


def _told(pair: Pair, entries: Sequence[Entry]) -> dict[str, Any]:
    ids = sample_id(entries[pair.one]), sample_id(entries[pair.other])
    return {"ids": list(ids), "kind": pair.kind, "distance": pair.distance}
