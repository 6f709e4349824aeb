"""Photo -> its faces with answers and what is recognised in them: what `describe --image` prints and the demo shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from llava_faba.crop import FaceCrop, find_faces
from llava_faba.describer import Describer, Face, open_picture, question_of
from llava_faba.eval.datasets import dataset_named
from llava_faba.eval.parse import parse_aus, parse_emotion
from llava_faba.evidence.measures import MeasuredFace
from llava_faba.evidence.records import add_evidence
from llava_faba.likelihood import probabilities

RULES = "strict"


@dataclass(frozen=True)
class Asking:
    """What is asked about every face; `tasks` say how the answers to `questions` are read, in the same order."""

    tasks: tuple[str, ...]
    questions: tuple[str, ...]
    max_new_tokens: int = 512
    with_probabilities: bool = False


def asking(
    tasks: Sequence[str] | None = None,
    question: str | None = None,
    max_new_tokens: int = 512,
    with_probabilities: bool = False,
) -> Asking:
    """Ask the fixed questions of `tasks`, by default of both; a `question` replaces them, by default that of emotion.

    The task of a `question` of one's own then only says how the answer is read.
    """
    chosen = tuple(dict.fromkeys(tasks or (["emotion"] if question else ["emotion", "au"])))
    return Asking(chosen, tuple(question or question_of(task) for task in chosen), max_new_tokens, with_probabilities)


def describe_photos(
    describer: Describer,
    photos: Sequence[str | Path],
    asked: Asking,
    crop: str = "no",
    *,
    evidence: bool = False,
    neutral: MeasuredFace | None = None,
) -> list[dict[str, Any]]:
    """Describe the face in each photo, or with `crop` "largest" or "all" the faces that are found in it.

    A face's record has `image`, `box` (pixels left, top, right, bottom; None for a whole picture), `prior` and
    `answers`, as `answers_about` gives them. `evidence` adds what `add_evidence` does, by population norms or by
    `neutral`, the person's face at rest.
    """
    faces = ((str(photo), face) for photo in photos for face in _faces(photo, crop))
    prior = describer.prior
    described = []
    while batch := list(islice(faces, describer.batch_size)):
        seen = describer.see([picture for _, (picture, _) in batch])
        described += [
            {
                "image": photo,
                "box": found and found.record()["box"],
                "prior": prior and {"name": prior.name, "version": prior.version},
                "answers": answers,
            }
            for (photo, (_, found)), answers in zip(batch, answers_about(describer, seen, asked), strict=True)
        ]
        if evidence:
            for record, (_, (picture, found)) in zip(described[-len(batch) :], batch, strict=True):
                add_evidence(record, np.asarray(picture), found, neutral)
    return described


def answers_about(describer: Describer, faces: Sequence[Face], asked: Asking) -> list[list[dict[str, Any]]]:
    """Ask about one batch of faces, all over one shared prefix; return a list of answers a face, one for each task.

    An answer has `task`, `question`, `answer` (None where no face was read and the model needs one), `recognised` and,
    where they are asked for, `probabilities` (None likewise).
    """
    able = [face for face in faces if describer.can_answer(face)]
    nothing: list[Any] = [None] * len(asked.tasks)
    texts, likely = iter([]), iter([])
    if able:
        prefix = describer.read(able)
        texts = iter(describer.answer(prefix, asked.questions, max_new_tokens=asked.max_new_tokens))
        if asked.with_probabilities:
            likely = zip(*(probabilities(describer, prefix, task) for task in asked.tasks), strict=True)
    answers = []
    for face in faces:
        can = describer.can_answer(face)
        said = next(texts) if can else nothing
        answers.append(
            [
                {"task": task, "question": question, "answer": text, "recognised": recognised(task, text)}
                for task, question, text in zip(asked.tasks, asked.questions, said, strict=True)
            ]
        )
        if asked.with_probabilities:
            for answer, shares in zip(answers[-1], next(likely) if can else nothing, strict=True):
                answer["probabilities"] = shares
    return answers


def recognised(task: str, text: str | None) -> str | list[int] | None:
    """What the strict rules read from an answer: an emotion, AU numbers, or None."""
    if text is None:
        return None
    value = (parse_emotion(text, RULES) if task == "emotion" else parse_aus(text, dataset_named("faba"), RULES)).value
    return list(value) if isinstance(value, tuple) else value


def _faces(photo: str | Path, crop: str) -> list[tuple[Image.Image, FaceCrop | None]]:
    picture = open_picture(photo)
    if crop == "no":
        return [(picture, None)]
    found = find_faces(np.asarray(picture), crop)
    return [(Image.fromarray(face.pixels), face) for face in found]
