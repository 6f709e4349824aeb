"""Photo -> its faces with answers and what is recognised in them: what `describe --image` prints and the demo shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from llava_faba.crop import FaceCrop, find_faces
from llava_faba.describer import Describer, open_picture, question_of
from llava_faba.eval.datasets import dataset_named
from llava_faba.eval.parse import parse_aus, parse_emotion

RULES = "strict"


def describe_photos(
    describer: Describer,
    photos: Sequence[str | Path],
    tasks: Sequence[str] | None = None,
    question: str | None = None,
    crop: str = "no",
    max_new_tokens: int = 512,
) -> list[dict[str, Any]]:
    """Describe the face in each photo, or with `crop` "largest" or "all" the faces that are found in it.

    A face's record has `image`, `box` (pixels left, top, right, bottom; None for a whole picture), `prior` and
    `answers`: `task`, `question`, `answer` (None where no face could be read) and `recognised`. `tasks` default to
    both; a `question` replaces the fixed one of the task, which then only says how the answer is read.
    """
    tasks = list(tasks or (["emotion"] if question else ["emotion", "au"]))
    questions = [question or question_of(task) for task in tasks]
    faces = [(str(photo), face) for photo in photos for face in _faces(photo, crop)]
    answers = describer.describe([picture for _, (picture, _) in faces], questions, max_new_tokens=max_new_tokens)
    prior = describer.prior
    return [
        {
            "image": photo,
            "box": found and found.record()["box"],
            "prior": prior and {"name": prior.name, "version": prior.version},
            "answers": [
                {"task": task, "question": asked, "answer": text, "recognised": recognised(task, text)}
                for task, asked, text in zip(tasks, questions, texts, strict=True)
            ],
        }
        for (photo, (_, found)), texts in zip(faces, answers, strict=True)
    ]


def recognised(task: str, text: str | None) -> str | list[int] | None:
    """What the strict rules read from an answer: an emotion, AU numbers, or None."""
    if text is None:
        return None
    value = (parse_emotion(text, RULES) if task == "emotion" else parse_aus(text, dataset_named("faba"), RULES)).value
    return list(value) if isinstance(value, tuple) else value


def _faces(photo: str | Path, crop: str) -> list[tuple[Any, FaceCrop | None]]:
    if crop == "no":
        return [(photo, None)]
    import numpy as np

    found = find_faces(np.asarray(open_picture(photo)), crop)
    return [(Image.fromarray(face.pixels), face) for face in found]
