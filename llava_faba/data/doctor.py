"""Annotation file -> every defect in it, with the sample it is in.

Training and evaluation files are told apart by their keys; nothing here stops at the first defect, and nothing is
repaired.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llava_faba.data.fabainstruct import Task, conversation_problems, label_text, prior_path
from llava_faba.errors import InputError
from llava_faba.face.images import read_image
from llava_faba.faces import sample_id
from llava_faba.files import path_inside, read_json
from llava_faba.prior import prior_file_dim
from llava_faba.vocabulary import EMOTIONS

DEFECTS = {
    "not-a-sample": "the entry is no object",
    "no-id": "there is neither `id` nor `image`",
    "duplicate-id": "another sample has the same id",
    "no-image": "there is no `image`, or it is no path",
    "path": "the image or the prior file lies outside the image root",
    "missing-image": "the image does not exist",
    "unreadable-image": "the image cannot be decoded",
    "unreadable-prior": "the `landmark` file does not exist, is no vector, or holds NaN",
    "misshapen-prior": "the prior has another length than most",
    "no-conversations": "there is nothing to train on",
    "wrong-role": "human and gpt do not take turns, human first",
    "no-text": "a turn has no text",
    "image-mark": "`<image>` does not stand once, in the first question",
    "end-mark": "a text holds a mark that ends a sequence",
    "no-label": "an evaluation sample has no label",
    "label-spacing": 'the released code reads "1,4" as no AU at all: it needs "1, 4"',
    "unknown-emotion": "the label is no emotion that the released code knows, spelled as it spells it",
    "unknown-au": "the label holds something that is no AU",
    "no-reference": "there is no `gpt4` text to compare an answer with",
}
FACS_AUS = {1, 2, *range(4, 8), *range(9, 29), 43, 45, 46}  # facial movements of FACS, without head and eye positions
SPECIAL_MARKS = ("<s>", "</s>")


@dataclass(frozen=True)
class Defect:
    """One defect of one sample."""

    id: str  # the sample's id, else its place
    entry: int  # from 1
    defect: str  # a key of DEFECTS
    detail: str


@dataclass(frozen=True)
class Examination:
    """What was examined, and what is wrong."""

    file: str
    kind: str  # "training" or "evaluation"
    task: Task | None  # of an evaluation file
    samples: int
    defects: list[Defect]

    def as_json(self) -> dict[str, Any]:
        counts = Counter(defect.defect for defect in self.defects)
        return {**asdict(self), "counts": dict(counts.most_common())}


def examine(path: Path | str, image_root: Path | str) -> Examination:
    """Examine one FABA-Instruct file with its images and priors, all of which are opened.

    Raises InputError only where there is no list of samples to examine.
    """
    entries = read_json(path, "annotation file")
    if not isinstance(entries, list) or not entries:
        raise InputError(
            f"The annotation file {path} holds no list of samples.",
            "A FABA-Instruct file is a list of objects with an `image`.",
            "Give a FABA-Instruct file.",
        )
    samples = [entry for entry in entries if isinstance(entry, dict)]
    kind = "training" if any("conversations" in sample for sample in samples) else "evaluation"
    task = evaluation_task(samples) if kind == "evaluation" else None
    defects = []
    named = [(number, _name(entry, number), entry) for number, entry in enumerate(entries, start=1)]
    for number, name, entry in named:
        if isinstance(entry, dict):
            found = _training_defects(entry) if kind == "training" else _evaluation_defects(entry, task)
            found = [*([] if sample_id(entry) else [("no-id", "has neither `id` nor `image`")]), *found]
        else:
            found = [("not-a-sample", f"is a {type(entry).__name__}")]
        defects += [Defect(name, number, defect, detail) for defect, detail in found]
    defects += _repeated(named)
    defects += _file_defects(named, Path(path), Path(image_root))
    defects = [Defect(_written(d.id), d.entry, d.defect, _written(d.detail)) for d in defects]
    return Examination(str(path), kind, task, len(entries), sorted(defects, key=lambda defect: defect.entry))


def evaluation_task(samples: list[dict[str, Any]]) -> Task:
    """Tell by its labels what an evaluation file asks for; single digits alone are emotions' indices."""
    labels = [label_text(sample.get("label")) or "" for sample in samples]
    if any(re.search(r"[A-Za-z]{3}", label) for label in labels):
        return "emotion"
    many = any(isinstance(sample.get("label"), list) for sample in samples)
    return "au" if many or any("," in label or len(label.strip()) != 1 for label in labels) else "emotion"


def _training_defects(entry: dict[str, Any]) -> list[tuple[str, str]]:
    conversation = entry.get("conversations")
    defects = conversation_problems(conversation, has_image="image" in entry)
    if "image" in entry and not _is_path(entry["image"]):
        defects.append(("no-image", f"has the image {entry['image']!r}"))
    for number, turn in enumerate(conversation if isinstance(conversation, list) else [], start=1):
        text = str(turn.get("value")) if isinstance(turn, dict) else ""
        defects += [("end-mark", f"has {mark!r} in turn {number}") for mark in SPECIAL_MARKS if mark in text]
    return defects


def _evaluation_defects(entry: dict[str, Any], task: Task | None) -> list[tuple[str, str]]:
    defects = []
    label, reference = entry.get("label"), entry.get("gpt4")
    if not _is_path(entry.get("image")):
        defects.append(("no-image", f"has the image {entry.get('image')!r}"))
    if label is None or isinstance(label, bool | dict | float):
        defects.append(("no-label", f"has the label {label!r}"))
    elif task == "emotion":
        text = str(label_text(label))
        if text not in EMOTIONS and not (text.isdecimal() and int(text) < len(EMOTIONS)):
            spelled = {name.lower(): name for name in EMOTIONS}.get(text.strip().lower())
            known = f"it is spelled {spelled!r}" if spelled else f"known are {', '.join(EMOTIONS)} and 0 to 6"
            defects.append(("unknown-emotion", f"has the label {text!r}; {known}"))
    else:
        defects += _au_label_defects(str(label_text(label)))
    if not isinstance(reference, str) or not reference.strip(" ."):
        defects.append(("no-reference", f"has the `gpt4` {reference!r}"))
    return defects


def _au_label_defects(label: str) -> list[tuple[str, str]]:
    parts = [part.strip() for part in label.split(",")] if label.strip() else []
    unknown = [part for part in parts if not (part.isdecimal() and int(part) in FACS_AUS)]
    defects = [("unknown-au", f"has the label {label!r}, in which {part!r} is no AU") for part in unknown]
    if label.split(", ") != parts and parts:
        defects.append(("label-spacing", f"has the label {label!r}; it is written {', '.join(parts)!r}"))
    return defects


def _repeated(named: list[tuple[int, str, Any]]) -> Iterator[Defect]:
    first: dict[str, int] = {}
    for number, name, entry in named:
        identity = sample_id(entry) if isinstance(entry, dict) else None
        if identity is not None and first.setdefault(identity, number) != number:
            yield Defect(name, number, "duplicate-id", f"has the id of entry {first[identity]}")


def _file_defects(named: list[tuple[int, str, Any]], annotations: Path, image_root: Path) -> list[Defect]:
    """Defects of images and priors; each file is opened once, several at a time."""
    defects, images, priors = [], [], []
    for number, name, entry in named:
        image, landmark = (entry.get(key) if isinstance(entry, dict) else None for key in ("image", "landmark"))
        try:
            if _is_path(image):
                images.append((number, name, path_inside(image_root, image, name)))
            if landmark is not None:
                priors.append((number, name, prior_path(annotations, image_root, landmark, name)))
        except InputError as error:
            defects.append(Defect(name, number, "path", error.got))
    with ThreadPoolExecutor() as pool:
        read = {path: pool.submit(_image_defect, path) for _, _, path in images}
        for number, name, path in tqdm(images, desc="images", unit="image", disable=None):
            if problem := read[path].result():
                defects.append(Defect(name, number, *problem))
    lengths: dict[int, int] = {}
    for number, name, path in tqdm(priors, desc="priors", unit="file", disable=None):
        try:
            lengths[number] = prior_file_dim(path, name)
        except InputError as error:
            defects.append(Defect(name, number, "unreadable-prior", error.got))
    usual = Counter(lengths.values()).most_common(1)
    for number, name, path in priors:
        if number in lengths and lengths[number] != usual[0][0]:
            detail = f"has a prior of {lengths[number]} numbers in {path}; {usual[0][1]} samples have {usual[0][0]}"
            defects.append(Defect(name, number, "misshapen-prior", detail))
    return defects


def _image_defect(path: Path) -> tuple[str, str] | None:
    if not os.path.isfile(path):
        return "missing-image", f"names {path}, which is {'a folder' if os.path.isdir(path) else 'not there'}"
    try:
        read_image(path)
    except InputError as error:
        return "unreadable-image", error.got
    return None


def _is_path(image: Any) -> bool:
    return isinstance(image, str) and bool(image)


def _written(text: str) -> str:
    """The text as UTF-8 can hold it: JSON may carry half a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()


def _name(entry: Any, number: int) -> str:
    return (sample_id(entry) if isinstance(entry, dict) else None) or f"entry {number}"
