"""The page's functions for programs: named, typed, without state between calls; `gradio_client` calls them."""

from collections.abc import Generator
from typing import Any

import gradio as gr

from llava_faba.data.prompts import QUESTIONS
from llava_faba.demo.clip_service import CLIPS_AT_ONCE, ClipService
from llava_faba.demo.guard import MAX_TURNS, checked_question, delete_upload, open_upload, readable
from llava_faba.demo.photo_faces import SeenFace, labels_of, see_faces, warnings_of
from llava_faba.demo.service import AT_ONCE, Service
from llava_faba.errors import InputError
from llava_faba.faces import Turn

TASKS = ("emotion", "au")
LOADING_SECONDS = 300  # that a program's call waits for the model


def add_endpoints(service: Service) -> None:
    """Add `/faces`, `/describe` and `/ask` to the page that is being built."""

    def faces(photo: gr.FileData) -> list[dict[str, Any]]:
        """Find the faces of a photo, largest first: box, landmarks_px, affine, quality and warnings of each.

        Args:
            photo: a JPEG, PNG, WebP, BMP or GIF file of at most 20 MB and 40 megapixels.
        """
        found = see_faces(open_upload(photo))
        return [
            {"index": n, "found": face.landmarks_px is not None, **face.record, "warnings": warnings_of(face)}
            for n, face in enumerate(found)
        ]

    def describe(photo: gr.FileData, face: int = 0) -> dict[str, Any]:
        """Describe a face by the fixed questions: answers, recognised emotion and AUs, probabilities.

        Args:
            photo: as for /faces.
            face: which of its faces, in the order of /faces.
        """
        seen = _face(photo, face)
        service.describer(LOADING_SECONDS)
        turns = [Turn(QUESTIONS[task], _last(service.answer(seen, QUESTIONS[task]))) for task in TASKS]
        return {
            "model": service.name,
            "answers": [
                {"task": task, "question": turn.question, "answer": turn.answer}
                for task, turn in zip(TASKS, turns, strict=True)
            ],
            "recognised": labels_of(turns),
            "probabilities": {
                task: service.probabilities(seen, task, turn) for task, turn in zip(TASKS, turns, strict=True)
            },
            "face": seen.record,
            "warnings": warnings_of(seen),
        }

    def ask(
        photo: gr.FileData, question: str, face: int = 0, history: list[dict[str, str]] | None = None
    ) -> Generator[str, None, None]:
        """Ask about a face; the answer streams in, longer each time.

        Args:
            photo: as for /faces.
            question: 1 to 1000 characters.
            face: which of its faces, in the order of /faces.
            history: earlier turns about this face, [{"question": ..., "answer": ...}], of which the last 20 count.
        """
        text, earlier = checked_question(question), _turns(history)
        seen = _face(photo, face)
        service.describer(LOADING_SECONDS)
        yield from service.answer(seen, text, earlier)

    gr.api(readable(faces), api_name="faces", concurrency_id="faces", concurrency_limit=AT_ONCE)
    gr.api(readable(describe), api_name="describe", concurrency_id="model", concurrency_limit=AT_ONCE)
    gr.api(readable(ask), api_name="ask", concurrency_id="model", concurrency_limit=AT_ONCE)


def _face(photo: Any, index: Any) -> SeenFace:
    found = see_faces(open_upload(photo))
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(found):
        raise InputError(
            f"The photo has no face {str(index)[:20]!r}.",
            f"It has {len(found)}, counted from 0, largest first.",
            "Ask /faces which there are.",
        )
    return found[index]


def _turns(history: Any) -> list[Turn]:
    if not isinstance(history, list | None):
        history = [history]
    turns = []
    for turn in (history or [])[-MAX_TURNS:]:
        if not isinstance(turn, dict) or not {"question", "answer"} <= set(turn):
            raise InputError(
                "The history cannot be read.",
                'It is a list of turns, {"question": text, "answer": text}.',
                "Give the turns so, or leave it out.",
            )
        turns.append(Turn(checked_question(turn["question"]), str(turn["answer"])[:8000]))
    return turns


def _last(answers: Any) -> str:
    text = ""
    for text in answers:  # noqa: B007 - the last one is wanted
        pass
    return text


def add_clip_endpoint(clips: ClipService) -> None:
    """Add `/assess` to the page that is being built."""

    def assess(clip: gr.FileData, expression: str) -> dict[str, Any]:
        """Assess a clip: severity 0..4 with its interval, the report judged by the measured motion, that motion.

        The result is the record of `llava-faba assess --json`. The file is deleted once it was read.

        Args:
            clip: a video file (mp4, mov, webm, mkv, avi) of at most 64 MB, 60 s and 1800 frames.
            expression: what the person was asked to do, one of the model's: smile, frown, sit_at_rest, ...
        """
        try:
            wanted = clips.checked_expression(expression)
        except InputError:
            delete_upload(clip)
            raise
        steps = clips.read(clip)
        try:
            while True:
                next(steps)
        except StopIteration as done:
            read = done.value
        *_, record = clips.assess(read, wanted)
        return record

    gr.api(readable(assess), api_name="assess", concurrency_id="clips", concurrency_limit=CLIPS_AT_ONCE)
