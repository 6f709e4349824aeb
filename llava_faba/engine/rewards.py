"""Answers -> rewards, without torch: functions that TRL's trainers call as they are.

Each has TRL's signature, `function(completions, **columns) -> list[float]`: completions are texts, or conversations
whose last message counts; the columns come from the data set, a value an answer
(https://huggingface.co/docs/trl/grpo_trainer#using-a-custom-reward-function).

>>> label_match(["The smile suggests happiness."], label=["Happiness"])
[1.0]
>>> GRPOTrainer(..., reward_funcs=[label_match, evidence, answer_format])  # doctest: +SKIP
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llava_faba.engine.filters import unusable
from llava_faba.engine.readings import read_label, read_text
from llava_faba.evidence.photo import check_photo
from llava_faba.evidence.verdict import CONTRADICTED, SUPPORTED
from llava_faba.face.measures import MeasuredFace

Completion = str | Sequence[Mapping[str, Any]]


def label_match(completions: Sequence[Completion], label: Sequence[str | None], **columns: Any) -> list[float]:
    """Return 1 where the answer's emotion is the label, else 0; 0 also where there is no label, or none is read."""
    texts = map(completion_text, completions)
    return [
        float(known is not None and read_text(text, "emotion") == read_label(str(known), "emotion", "A reward"))
        for text, known in zip(texts, label, strict=True)
    ]


def au_f1(completions: Sequence[Completion], label: Sequence[str | None], **columns: Any) -> list[float]:
    """Return the F1 of the AUs that the answer affirms against the label's ("1, 4"); 1 where both have none.

    >>> au_f1(["AU6 and AU12 are active."], label=["12"])
    [0.6666666666666666]
    """
    rewards = []
    for text, known in zip(map(completion_text, completions), label, strict=True):
        truth = set(read_label(str(known), "au", "A reward")) if known is not None else None
        found = set(read_text(text, "au") or ())
        if truth is None or not text.strip():
            rewards.append(0.0)
        else:
            rewards.append(2 * len(truth & found) / (len(truth) + len(found)) if truth or found else 1.0)
    return rewards


def evidence(completions: Sequence[Completion], measured: Sequence[Any], **columns: Any) -> list[float]:
    """Return (supported - contradicted) / judged sentences, -1 to 1, by each face's measures; 0 where none is judged.

    `measured` is what `prefer` and `measure_faces` write: a JSON text, or {"values", "nose_tip", "reasons"}; None: no
    face was found.
    """
    rewards = []
    for text, face in zip(map(completion_text, completions), measured, strict=True):
        sentences = check_photo(text, as_measured(face))["sentences"]
        verdicts = [sentence["verdict"] for sentence in sentences]
        good, bad = verdicts.count(SUPPORTED), verdicts.count(CONTRADICTED)
        rewards.append((good - bad) / (good + bad) if good + bad else 0.0)
    return rewards


def answer_format(
    completions: Sequence[Completion], task: str | Sequence[str] = "emotion", **columns: Any
) -> list[float]:
    """Return 1 where the answer can be learned from (no rule of `engine.filters` leaves it out), else 0."""
    tasks = [task] * len(completions) if isinstance(task, str) else task
    pairs = zip(map(completion_text, completions), tasks, strict=True)
    return [float(unusable(text, kind) is None) for text, kind in pairs]


def completion_text(completion: Completion) -> str:
    """Return the text of an answer: of the last message, where it is a conversation.

    >>> completion_text([{"role": "assistant", "content": [{"type": "text", "text": "Fear."}]}])
    'Fear.'
    """
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content", "") if completion else ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content if part.get("type") == "text")


def as_measured(face: Any) -> MeasuredFace | None:
    """Return a face's measures from what a data set's column holds: None, JSON text, a dict, or the measures."""
    if face is None or isinstance(face, MeasuredFace):
        return face
    record = json.loads(face) if isinstance(face, str) else face
    return record and MeasuredFace(record["values"], record["nose_tip"], record.get("reasons") or {})


def measured_column(face: MeasuredFace | None) -> str | None:
    """Return a face's measures as one JSON text, which every data set format can hold in a column."""
    if face is None:
        return None
    return json.dumps({"values": face.values, "nose_tip": face.nose_tip, "reasons": face.reasons})
