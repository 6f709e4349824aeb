"""Labelled pictures -> FABA-Instruct files, by the paper's protocol: instruction in, "Happiness" or "AU1, AU4" out.

A data set with a division of its own becomes train.json and eval.json; BP4D and DISFA become three subject-exclusive
folds, fold1/train.json and so on, with the subjects written out in folds.json.
"""

import csv
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from llava_faba.data.fabainstruct import IMAGE_MARK, Task
from llava_faba.data.layouts import SPELLINGS, Labelled, Layout, active_aus, add_face, text_lines
from llava_faba.data.prompts import INSTRUCTIONS, QUESTIONS
from llava_faba.errors import InputError
from llava_faba.files import read_json, write_atomically, write_json
from llava_faba.vocabulary import EMOTIONS

Questions = Literal["varied", "fixed"]
RECORD = "convert.json"  # what an output folder holds, by which another conversion there is recognised
NO_AUS = "None"  # the answer for a face on which no evaluated AU is active


def answer_text(label: str | tuple[int, ...]) -> str:
    """Write a label as the answer that is trained on: (1, 4) -> "AU1, AU4"."""
    return label if isinstance(label, str) else ", ".join(f"AU{au}" for au in label) or NO_AUS


def training_entry(face: Labelled, task: Task, questions: Questions = "varied") -> dict[str, Any]:
    """Return a FABA-Instruct training sample; the picture's name draws its instruction, at every run the same."""
    instructions = INSTRUCTIONS[task]
    lot = int.from_bytes(hashlib.sha256(face.image.encode()).digest()[:8], "big")
    question = instructions[lot % len(instructions)] if questions == "varied" else QUESTIONS[task]
    turns = [(f"{question}\n{IMAGE_MARK}", "human"), (answer_text(face.label), "gpt")]
    return {
        "id": face.image,
        "image": face.image,
        "conversations": [{"from": role, "value": value} for value, role in turns],
    }


def evaluation_entry(face: Labelled) -> dict[str, Any]:
    """Return a FABA-Instruct evaluation sample."""
    label = face.label if isinstance(face.label, str) else ", ".join(map(str, face.label))
    entry = {"id": face.image, "image": face.image, "label": label, "gpt4": answer_text(face.label)}
    return entry | ({"subject": face.subject} if face.subject else {})


def write_conversion(
    layout: Layout,
    out: Path,
    *,
    source: str,
    task: Task,
    questions: Questions,
    folds: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """Write a data set's files into `out`; return its record: source, task, image root and counts a part.

    Raises InputError when nothing is left to write, for a subject in no fold, and when `out` holds another conversion.
    """
    if not layout.faces:
        first = layout.left_out[0] if layout.left_out else {"image": "-", "reason": "no picture is labelled"}
        raise InputError(
            f"Nothing of {source} can be converted: {len(layout.left_out)} pictures were left out, the first "
            f"{first['image']} because {first['reason']}.",
            f"Pictures are sought in {layout.image_root}.",
            "Give the folder in which they lie (see --help).",
        )
    parts = _by_fold(layout.faces, folds, source) if folds else {"": layout.faces}
    files: dict[str, list[dict[str, Any]]] = {}
    for folder, faces in parts.items():
        train, evaluation = ([face for face in faces if face.part == part] for part in ("train", "eval"))
        if train:
            files[f"{folder}train.json"] = [training_entry(face, task, questions) for face in train]
        if evaluation:
            files[f"{folder}eval.json"] = [evaluation_entry(face) for face in evaluation]
    record = {
        "source": source,
        "task": task,
        "questions": questions,
        "image_root": str(layout.image_root.resolve()),
        "samples": {name: len(entries) for name, entries in files.items()},
        "left_out": len(layout.left_out),
    }
    _refuse_another(out, record)
    for name, entries in files.items():
        write_json(out / name, entries)
    if folds:
        write_json(out / "folds.json", _folds_record(parts))
    lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in layout.left_out)
    write_atomically(out / "left_out.jsonl", "".join(lines))
    write_json(out / RECORD, record)
    return record


def label_counts(faces: Sequence[Labelled]) -> dict[str, int]:
    """Count the emotions, or the AUs, of labelled pictures, most frequent first."""
    counts: Counter[str] = Counter()
    for face in faces:
        counts.update([face.label] if isinstance(face.label, str) else [f"AU{au}" for au in face.label] or [NO_AUS])
    return dict(counts.most_common())


def _by_fold(faces: Sequence[Labelled], folds: Sequence[Sequence[str]], source: str) -> dict[str, list[Labelled]]:
    home = {subject: number for number, subjects in enumerate(folds, start=1) for subject in subjects}
    strangers = sorted({face.subject for face in faces} - set(home))
    if strangers:
        raise InputError(
            f"{source} has the subjects {', '.join(strangers)}, which are in no fold.",
            f"Its {len(folds)} subject-exclusive folds are fixed and hold {len(home)} subjects.",
            "Give the data set as it was released.",
        )
    return {
        f"fold{number}/": [
            Labelled(face.image, face.label, "eval" if home[face.subject] == number else "train", face.subject)
            for face in faces
        ]
        for number in range(1, len(folds) + 1)
    }


def _folds_record(parts: dict[str, list[Labelled]]) -> list[dict[str, Any]]:
    return [
        {
            "fold": folder.rstrip("/"),
            **{f"{part}_subjects": sorted({f.subject for f in faces if f.part == part}) for part in ("train", "eval")},
            **{part: sum(face.part == part for face in faces) for part in ("train", "eval")},
        }
        for folder, faces in parts.items()
    ]


def _refuse_another(out: Path, record: dict[str, Any]) -> None:
    if not (out / RECORD).is_file():
        return
    there = read_json(out / RECORD, "record of a conversion")
    same = ("source", "task", "questions", "image_root")
    if not isinstance(there, dict) or any(there.get(key) != record[key] for key in same):
        raise InputError(
            f"The folder {out} holds another conversion: {', '.join(f'{key} {there.get(key)!r}' for key in same)}.",
            f"This one has {', '.join(f'{key} {record[key]!r}' for key in same)}.",
            "Give another --out, or remove that folder.",
        )


def read_csv(train: Path | None, evaluation: Path | None, task: str, image_root: Path | None) -> Layout:
    """Read plain CSVs with the columns `image` and `label`, or `image` and AU columns of 0 and 1 (AU1, AU4, ...).

    Pictures are relative to the folder of their CSV, or to `image_root` where that is given. Of CSVs in different
    folders the layout's image root is the folder that holds both.
    """
    files = [(path, part) for path, part in ((train, "train"), (evaluation, "eval")) if path is not None]
    if not files:
        raise InputError(
            "Of the CSV files none is given.",
            "Labelled pictures come from one CSV to train on, one to evaluate on, or both.",
            "Give --train or --eval or both.",
        )
    folders = {path: Path(os.path.abspath(image_root or path.parent)) for path, _ in files}
    layout = Layout(Path(os.path.commonpath(folders.values())))
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
            add_face(layout, row["image"] or "", label, part, folders[path], row.get("subject") or "")
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
