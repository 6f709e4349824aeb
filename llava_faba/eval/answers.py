"""answers.jsonl -> samples to score; every defect is refused with its file and line.

A line is an object with the keys `id, image, task, question, answer, reference, label`; `probabilities` where there are
any (probabilities.py); `subject`, the person in the picture, where one person is in several. Other keys are ignored.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError
from llava_faba.files import existing_file

KEYS = ("id", "image", "task", "question", "answer", "reference", "label")
TASKS = ("emotion", "au")


@dataclass(frozen=True)
class Answer:
    """One answered question with what is needed to score it."""

    id: str
    image: str
    task: str  # "emotion" or "au"
    question: str
    answer: str  # "" where the model gave none
    reference: str  # the text the answer is compared with; "" where there is none
    label: str  # as written: "1, 4, 12", "Happiness", "3"
    place: str  # where it stands, for messages: "answers.jsonl line 7"
    probabilities: Any = None  # as written; None where there are none
    subject: str | None = None  # who is seen, or the value of another field that tells which samples belong together


def read_answers(paths: Iterable[Path | str], cluster_by: str | None = None) -> list[Answer]:
    """Read answer files as one: shards of a run, or the emotion and the AU answers of one model.

    `cluster_by` names the field that takes the place of `subject`; then every line must have it.
    Raises InputError for an empty file, a line that is no JSON object, a missing or unusable key, a repeated id.
    """
    answers: list[Answer] = []
    for path in paths:
        answers += _read_file(Path(path), cluster_by)
    refuse_repeated(answers)
    return answers


def model_name(path: Path | str) -> str:
    """Name the model of an answers file: as `describe` recorded it beside the file, else as the file is called."""
    try:
        record = json.loads(Path(f"{path}.run.json").read_bytes())
        return Path(record["model"]).name or Path(path).stem
    except (OSError, ValueError, TypeError, KeyError):
        return Path(path).stem


def refuse_repeated(answers: Iterable[Answer]) -> None:
    """Raise InputError if two answers have the same task and id."""
    places: dict[tuple[str, str], str] = {}
    for answer in answers:
        key = (answer.task, answer.id)
        if key in places:
            raise InputError(
                f"{answer.place} repeats the id {answer.id!r} of {places[key]}.",
                "Each sample of a task is answered once in the files that are scored together.",
                "Remove one of the two lines, or score the files one by one.",
            )
        places[key] = answer.place


def _read_file(path: Path, cluster_by: str | None) -> list[Answer]:
    content = existing_file(path, "answers file").read_bytes().removeprefix(b"\xef\xbb\xbf")
    answers = [
        parse_answer(_json_object(line, f"{path} line {number}"), f"{path} line {number}", cluster_by)
        for number, line in enumerate(content.split(b"\n"), start=1)
        if line.strip()
    ]
    if not answers:
        raise InputError(
            f"The answers file {path} is empty.",
            "It holds one JSON line for every sample.",
            "Run `llava-faba describe` first, or give the file that it wrote.",
        )
    return answers


def _json_object(line: bytes, place: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{place} is not JSON: {error}.",
            "Every line is one JSON object in UTF-8.",
            "Repair the line; if it is the last one, it was cut short: run the same `describe` again to complete it.",
        ) from error
    if not isinstance(record, dict):
        raise InputError(
            f"{place} holds {_shown(record)}, which is no object.",
            f"Every line is an object with the keys {', '.join(KEYS)}.",
            "Write one object a line.",
        )
    return record


def parse_answer(record: dict[str, Any], place: str, cluster_by: str | None = None) -> Answer:
    """Check a record's keys and values; `place` names it in errors, `cluster_by` is as in `read_answers`."""
    if missing := [key for key in KEYS if key not in record]:
        raise InputError(
            f"{place} lacks the key{'s' if len(missing) > 1 else ''} {', '.join(missing)}.",
            f"Every line has the keys {', '.join(KEYS)}.",
            "Add what is missing, or give another tool's answers together with --references and --task.",
        )
    task = str(record["task"]).lower()
    if task not in TASKS:
        raise InputError(
            f"{place} has the task {record['task']!r}.",
            "A task is emotion or au.",
            "Correct the line.",
        )
    return Answer(
        id=_text(record, "id", place, numbers=True),
        image=_text(record, "image", place, numbers=True),
        task=task,
        question=_text(record, "question", place),
        answer=_text(record, "answer", place),
        reference=_text(record, "reference", place),
        label=label_text(record["label"], place),
        place=place,
        probabilities=record.get("probabilities"),
        subject=subject_of(record, place, cluster_by),
    )


def subject_of(record: dict[str, Any], place: str, cluster_by: str | None = None) -> str | None:
    """Return the record's `subject`, or its field `cluster_by`, as text; None where it has no subject."""
    field = cluster_by or "subject"
    if record.get(field) in (None, ""):
        if cluster_by is None:
            return None
        raise InputError(
            f"{place} has no {cluster_by!r}.",
            "With --cluster-by every line names what it belongs to.",
            f"Add the field, or choose another; this line has {', '.join(record)}.",
        )
    return _text(record, field, place, numbers=True)


def writable(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can hold but no file in UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def label_text(label: Any, place: str) -> str:
    """Write a label as FABA-Instruct does: numbers as they are, a list of AUs as "1, 4, 12"."""
    if isinstance(label, list) and all(isinstance(item, (int, str)) for item in label):
        return ", ".join(map(str, label))
    if isinstance(label, str) or (isinstance(label, int) and not isinstance(label, bool)):
        return str(label)
    raise InputError(
        f"{place} has the label {_shown(label)}.",
        'A label is an emotion ("Happiness", 0 to 6) or AU numbers ("1, 4, 12", [1, 4, 12], "" for none).',
        "Correct the line.",
    )


def _text(record: dict[str, Any], key: str, place: str, numbers: bool = False) -> str:
    value = record[key]
    if value is None:
        return ""
    if isinstance(value, str) or (numbers and isinstance(value, int) and not isinstance(value, bool)):
        return writable(str(value))
    raise InputError(
        f"{place} has the {key} {_shown(value)}.",
        f"`{key}` is a text.",
        "Correct the line.",
    )


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
