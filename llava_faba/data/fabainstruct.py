"""Annotation files -> faces: read FABA-Instruct's training and evaluation files, and refuse what is not one.

Training: [{"id", "image", "conversations": [{"from": "human" | "gpt", "value"}], "landmark"?}], `<image>` once in the
first question; a sample without `image` is plain text, as LLaVA's own mixtures hold. Evaluation: [{"image", "label",
"gpt4", "landmark"?}], the label an emotion's name or index, or AU numbers "1, 4, 12". `landmark` is the file of a
prior, looked for beside the annotation file first (where `llava-faba priors` puts it), then in the image root.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from llava_faba.errors import InputError, MissingFileError
from llava_faba.faces import FaceSample, sample_id
from llava_faba.files import path_inside, read_json
from llava_faba.prior.table import split_row
from llava_faba.vocabulary import EMOTIONS

Task = Literal["emotion", "au"]
IMAGE_MARK = "<image>"
ROLES = ("human", "gpt")


def read_training(paths: Sequence[Path | str], image_root: Path | str | None) -> list[FaceSample]:
    """Read training files, one after the other, as one list of samples.

    Raises InputError that names the file and the sample; image and prior files are not opened.
    """
    samples = []
    for path in paths:
        for name, entry in _entries(path):
            problems = conversation_problems(entry.get("conversations"), has_image="image" in entry)
            if problems:
                raise InputError(
                    f"{name} of {path} {problems[0][1]}.",
                    "A training sample has `conversations` in which human and gpt take turns, human first, and "
                    "`<image>` stands once, in the first question, when there is an `image`.",
                    f"Correct it; `llava-faba doctor {path}` lists every such sample.",
                )
            samples.append(_sample(path, entry, image_root, name, conversations=entry["conversations"]))
    return samples


def read_evaluation(path: Path | str, image_root: Path | str, task: Task) -> list[FaceSample]:
    """Read an evaluation file for one task; a label stays as it is written, None where there is none.

    Raises InputError that names the file and the sample, also when the labels belong to the other task or an id is
    there twice.
    """
    samples: dict[str, FaceSample] = {}
    for name, entry in _entries(path):
        problem = _evaluation_problem(entry, task)
        if problem:
            raise InputError(
                f"{name} of {path} {problem}.",
                'An evaluation sample is {"image", "label", "gpt4"}; the label of the task emotion is a name or an '
                'index, of the task au "1, 4, 12".',
                f"Give the evaluation file of the task {task!r}; `llava-faba doctor {path}` lists every defect.",
            )
        sample = _sample(
            path, entry, image_root, name, label=label_text(entry.get("label")), reference=entry.get("gpt4")
        )
        if sample.id in samples:
            raise InputError(
                f"The id {sample.id!r} stands twice in {path}.",
                "Answers are kept by id (a sample's `id`, else its `image`), so each may occur once.",
                "Give the samples ids of their own, or remove one.",
            )
        samples[sample.id] = sample
    return list(samples.values())


def refuse_missing_images(samples: Sequence[FaceSample], relative_to: str = "--image-root") -> None:
    """Raise MissingFileError that names the first sample whose image is not there, and how many miss theirs.

    `relative_to` says in the user's words which folder image paths are relative to.
    """
    missing = [sample for sample in samples if sample.image_path is not None and not sample.image_path.is_file()]
    if missing:
        raise MissingFileError(
            f"Sample {missing[0].id!r} names the image {missing[0].image_path}, which does not exist; "
            f"{len(missing)} of {len(samples)} samples miss theirs.",
            f"Image paths are relative to {relative_to}.",
            "Give the right folder; `llava-faba doctor` lists every missing image.",
        )


def label_text(label: Any) -> str | None:
    """Write a label as FABA-Instruct does: 3 -> "3", [1, 4] -> "1, 4"."""
    return ", ".join(map(str, label)) if isinstance(label, list) else None if label is None else str(label)


def conversation_problems(conversation: Any, has_image: bool) -> list[tuple[str, str]]:
    """Return all that is wrong with a conversation: the kind of defect, and the end of a sentence that tells it."""
    if not isinstance(conversation, list) or not conversation:
        return [("no-conversations", "has no `conversations`")]
    problems = []
    for number, turn in enumerate(conversation, start=1):
        if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
            problems.append(("no-text", f"has a turn {number} that is not {{'from', 'value'}} with a text"))
        elif not turn["value"].replace(IMAGE_MARK, "").strip():
            problems.append(("no-text", f"has an empty text in turn {number}"))
        role, expected = turn.get("from") if isinstance(turn, dict) else None, ROLES[(number - 1) % 2]
        if isinstance(turn, dict) and role != expected:
            problems.append(("wrong-role", f"has the role {role!r} in turn {number}, where {expected!r} belongs"))
    if len(conversation) % 2:
        problems.append(("wrong-role", "ends with a question that has no answer"))
    texts = [str(turn.get("value")) if isinstance(turn, dict) else "" for turn in conversation]
    marks = [text.count(IMAGE_MARK) for text in texts]
    if marks[0] != int(has_image) or any(marks[1:]):
        found = f"{sum(marks)} x `{IMAGE_MARK}`, {marks[0]} of them in the first question"
        problems.append(("image-mark", f"has {found}, for {int(has_image)} image{'' if has_image else 's'}"))
    return problems


def _entries(path: Path | str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The file's entries, each with what an error calls it."""
    entries = read_json(path, "annotation file")
    allowed = "It must be a list of FABA-Instruct samples, which are objects with an `image`."
    if not isinstance(entries, list) or not entries:
        found = "an empty list" if entries == [] else f"one {type(entries).__name__}, not a list"
        raise InputError(f"The annotation file {path} holds {found}.", allowed, "Give a FABA-Instruct file.")
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise InputError(
                f"Entry {number} of {path} is a {type(entry).__name__}.", allowed, "Give a FABA-Instruct file."
            )
        yield f"Sample {sample_id(entry)!r} (entry {number})", entry


def _sample(
    path: Path | str, entry: dict[str, Any], image_root: Path | str | None, name: str, **fields: Any
) -> FaceSample:
    identity, image, landmark = sample_id(entry), entry.get("image"), entry.get("landmark")
    text_only = "image" not in entry and "conversations" in fields
    if identity is None or not (text_only or (isinstance(image, str) and image)):
        raise InputError(
            f"{name} of {path} has the id {entry.get('id')!r} and the image {image!r}.",
            "`image` is a path relative to the image root, `id` a text or a number (optional where there is an image).",
            "Correct the sample.",
        )
    if image is not None and image_root is None:
        raise InputError(
            f"{name} of {path} has an image, but no image root is given.",
            "Image paths are relative to the image root.",
            "Give it with --image_folder (training) or --image-root (the other commands).",
        )
    return FaceSample(
        id=identity,
        image=image,
        image_path=None if image is None else path_inside(image_root, image, identity),
        source=Path(path),
        subject=None if entry.get("subject") in (None, "") else str(entry["subject"]),
        prior_path=None if None in (landmark, image) else prior_path(path, image_root, landmark, identity),
        **fields,
    )


def prior_path(annotations: Path | str, image_root: Path | str, landmark: Any, identity: str) -> Path:
    """Resolve a sample's `landmark` beside its annotation file, else in the image root; inside one of them always."""
    if not isinstance(landmark, str) or not landmark:
        raise InputError(
            f"Sample {identity!r} has the landmark {landmark!r}.",
            "`landmark` is the path of a prior's .npy file, or priors.npy#ROW, and is absent where there is none.",
            "Correct or remove it.",
        )
    file, row = split_row(landmark)
    name, mark = (landmark, "") if row is None else (str(file), f"#{row}")
    beside = path_inside(Path(annotations).parent, name, identity)
    found = beside if os.path.exists(beside) else path_inside(image_root, name, identity)
    return found.with_name(found.name + mark)


def _evaluation_problem(entry: dict[str, Any], task: Task) -> str | None:
    label, reference = entry.get("label"), entry.get("gpt4")
    if "conversations" in entry and label is None and reference is None:
        return "has `conversations`, no `label` and no `gpt4`: it is a training sample"
    numbers = isinstance(label, list) and all(isinstance(number, int) for number in label)
    if not (label is None or numbers or (isinstance(label, str | int) and not isinstance(label, bool))):
        return f"has the label {label!r}"
    if not isinstance(reference, str | None):
        return f"has a `gpt4` that is a {type(reference).__name__}, not a text"
    text = label_text(label) or ""
    is_emotion, is_au = text.strip().lower() in {name.lower() for name in EMOTIONS}, "," in text
    if (task == "au" and is_emotion) or (task == "emotion" and (is_au or numbers)):
        return f"has the label {text!r}, which is none of the task {task!r}"
    return None
