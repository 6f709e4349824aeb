"""Annotated sample -> what it says: its task, its text and the label that is read from the text."""

from typing import Any

from llava_faba.data.fabainstruct import Task, label_text
from llava_faba.data.statistics import sample_task
from llava_faba.errors import InputError
from llava_faba.eval.labels import DATASETS, au_label, emotion_label
from llava_faba.eval.parse import parse_aus, parse_emotion
from llava_faba.faces import sample_id
from llava_faba.files import read_json

Label = str | tuple[int, ...]  # an emotion, or the active AUs in ascending order
RULES = "strict"  # of eval/parse.py: a denied emotion or AU is no label


def read_entries(path: Any) -> list[dict[str, Any]]:
    """Read a FABA-Instruct file of training or evaluation samples as it is written.

    Raises InputError where it is no list of samples, a sample has no id, or an id is there twice.
    """
    entries = read_json(path, "annotation file")
    good = isinstance(entries, list) and entries and all(isinstance(entry, dict) for entry in entries)
    names = [sample_id(entry) for entry in entries] if good else []
    if not good or None in names or len(set(names)) < len(names):
        found = "a sample without an id, or an id twice" if good else "no list of samples"
        raise InputError(
            f"The annotation file {path} holds {found}.",
            "It is a list of FABA-Instruct samples, each with an id (or an image) of its own.",
            f"Correct it; `llava-faba doctor {path}` lists every such sample.",
        )
    return entries


def text_of(entry: dict[str, Any]) -> str:
    """Return the description of a training sample (its first answer) or of an evaluation sample (`gpt4`)."""
    turns = entry.get("conversations")
    if isinstance(turns, list):
        return next((str(turn.get("value", "")) for turn in turns if turn.get("from") == "gpt"), "")
    return str(entry.get("gpt4") or "")


def task_of(entry: dict[str, Any]) -> Task:
    """Return a sample's task: as `annotate` recorded it, else as its label or its question shows."""
    recorded = entry.get("provenance", {}).get("task") if isinstance(entry.get("provenance"), dict) else None
    return recorded if recorded in ("emotion", "au") else sample_task(entry)


def label_of(entry: dict[str, Any]) -> Label | None:
    """Return a sample's own label, else what its text says; None where the text names no emotion, or several."""
    task, written = task_of(entry), label_text(entry.get("label"))
    if written is not None:
        return read_label(written, task, f"Sample {sample_id(entry)!r}")
    return read_text(text_of(entry), task)


def read_label(written: str, task: str, place: str) -> Label:
    """Read a written label of a task; `place` names it in the InputError for one that is no label."""
    return emotion_label(written, DATASETS["faba"], place) if task == "emotion" else au_label(written, place)


def read_text(text: str, task: str) -> Label | None:
    """Read the emotion, or the AUs, that a description affirms; None where there is no emotion, or several tie.

    >>> read_text("AU6 and AU12 are active; there is no AU4.", "au")
    (6, 12)
    """
    if task == "emotion":
        value = parse_emotion(text, RULES).value
        return value if isinstance(value, str) else None
    return tuple(parse_aus(text, DATASETS["faba"], RULES).value or ())


def label_name(label: Label | None) -> str:
    """Write a label as evaluation files do: "Happiness", "1, 4", "none" for no AU, "" where nothing is read."""
    if label is None:
        return ""
    return label if isinstance(label, str) else ", ".join(map(str, label)) or "none"
