"""Photo -> its faces with answers and what is recognised in them: what `describe --image` prints and the demo shows."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from llava_faba.eval.labels import dataset_named
from llava_faba.eval.parse import parse_aus, parse_emotion
from llava_faba.evidence.records import add_evidence
from llava_faba.face.crop import FaceCrop, find_faces
from llava_faba.face.measures import MeasuredFace
from llava_faba.inference.certainty import calibrated, count_samples, weigh_words
from llava_faba.inference.decoding import Prefix
from llava_faba.inference.describer import Describer, Face, Request, open_picture
from llava_faba.inference.served import SentFace, ServedDescriber

RULES = "strict"


def describe_photos(
    describer: Describer | ServedDescriber,
    photos: Sequence[str | Path],
    request: Request,
    crop: str = "no",
    *,
    neutral: MeasuredFace | None = None,
) -> list[dict[str, Any]]:
    """Describe the face in each photo, or with `crop` "largest" or "all" the faces that are found in it.

    A face's record has `image`, `box` (pixels left, top, right, bottom; None for a whole picture), `prior` and
    `answers`, as `answers_about` gives them. A request with evidence adds what `add_evidence` does, by population norms
    or by `neutral`, the person's face at rest.
    """
    faces = ((str(photo), face) for photo in photos for face in _faces(photo, crop))
    prior = describer.prior
    described = []
    while batch := list(islice(faces, describer.batch_size)):
        seen = describer.prepare_faces([picture for _, (picture, _) in batch])
        described += [
            {
                "image": photo,
                "box": found and found.record()["box"],
                "prior": prior and {"name": prior.name, "version": prior.version},
                "answers": answers,
            }
            for (photo, (_, found)), answers in zip(batch, answers_about(describer, seen, request), strict=True)
        ]
        if request.with_evidence:
            for record, (_, (picture, found)) in zip(described[-len(batch) :], batch, strict=True):
                add_evidence(record, np.asarray(picture), found, neutral)
    return described


def answers_about(
    describer: Describer | ServedDescriber, faces: Sequence[Face] | Sequence[SentFace], request: Request
) -> list[list[dict[str, Any]]]:
    """Ask about one batch of faces; return a list of answers a face, one for each task.

    An answer has `task`, `question`, `answer` (None where no face was read and the model needs one), `recognised` and,
    where they are asked for, `probabilities` (None likewise, and where the answer names nothing) with
    `probabilities_by`, "words" or "samples" (see certainty.py).
    """
    nothing: list[Any] = [None] * len(request.tasks)
    if request.with_probabilities:
        told = _with_shares(describer, faces, request)
    else:
        texts = describer.describe_faces(faces, request.questions, max_new_tokens=request.max_new_tokens)
        told = [(said, nothing) for said in texts]
    answers = []
    for said, shares in (found or (nothing, nothing) for found in told):
        rows = zip(request.tasks, request.questions, said, shares, strict=True)
        answers.append(
            [
                {"task": task, "question": question, "answer": text, "recognised": recognised(task, text)}
                | (
                    {"probabilities": likely, "probabilities_by": likely and request.method}
                    if request.with_probabilities
                    else {}
                )
                for task, question, text, likely in rows
            ]
        )
    return answers


def _with_shares(
    describer: Describer, faces: Sequence[Face], request: Request
) -> list[tuple[list[str], list[Any]] | None]:
    """Texts and probabilities of each task, for each face; None where the model cannot answer."""
    able = [face for face in faces if describer.can_answer(face)]

    def run(prefix: Prefix) -> list[tuple[list[str], list[Any]]]:
        texts = describer.answer(prefix, request.questions, max_new_tokens=request.max_new_tokens)
        shares = zip(*_shares(describer, prefix, able, request, texts), strict=True)
        return list(zip(texts, map(list, shares), strict=True))

    return describer.over_readable(faces, run)


def _shares(
    describer: Describer, prefix: Prefix, faces: Sequence[Face], request: Request, texts: Sequence[Sequence[str]]
) -> Iterator[list[dict[str, float] | None]]:
    """The probabilities of each task, for each face."""
    for place, (task, question) in enumerate(zip(request.tasks, request.questions, strict=True)):
        if request.samples:
            found = count_samples(describer, prefix, faces, task, question, request.samples, request.max_new_tokens)
        else:
            found = weigh_words(describer, prefix, task, question, [said[place] for said in texts])
        yield calibrated(describer, task, request.method, found)


def disagrees(answer: dict[str, Any]) -> list[str]:
    """Name what is most probable but not recognised, and AUs recognised though improbable; [] where they agree."""
    shares, found = answer.get("probabilities"), answer["recognised"]
    if not shares or found is None:
        return []
    if answer["task"] == "emotion":
        best = max(shares, key=lambda name: shares[name])
        return [] if best == found else [best]
    return [name for name, share in shares.items() if (share >= 0.5) != (int(name[2:]) in found)]


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
