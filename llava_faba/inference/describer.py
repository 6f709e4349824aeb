"""Faces -> text: ask a model about faces, in batches, all questions about a face over one shared prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from llava_faba.data.prompts import QUESTIONS
from llava_faba.errors import InputError
from llava_faba.face.images import read_image, upright_rgb
from llava_faba.inference.decoding import Prefix, answer_greedily, prefill
from llava_faba.model.checkpoint import load
from llava_faba.model.prompt import Prompt, prepare_pixels
from llava_faba.processes import one_ahead
from llava_faba.starter.folder import chosen_model

Result = TypeVar("Result")
Picture = str | Path | Image.Image | np.ndarray


@dataclass
class Face:
    """What the model sees of one face: its pixels as CLIP's processor makes them, and its prior."""

    pixels: torch.Tensor  # (3, height, width)
    prior: np.ndarray | None  # (P,) float32
    is_read: bool = True  # False: no face was read, and `prior` says nothing


class Describer:
    """A loaded model that describes faces; several threads may use one.

    >>> describer = Describer.from_pretrained("llava-v1.5-7b-faba")  # doctest: +SKIP
    >>> describer.describe(["face.jpg"], ["Does she smile?"])  # doctest: +SKIP
    [['Yes, her lip corners are pulled up (AU12).']]
    """

    def __init__(
        self, tokenizer: Any, model: Any, image_processor: Any, *, conversation: str = "v1", batch_size: int = 16
    ):
        self.tokenizer, self.model, self.image_processor = tokenizer, model, image_processor
        self.prompt = Prompt(tokenizer, conversation, marks_image=model.config.mm_use_im_start_end)
        self.conversation, self.batch_size = conversation, batch_size
        self.model_path: Path | None = None  # where it was loaded from, for its calibration

    @classmethod
    def from_pretrained(
        cls,
        model_path: str | Path,
        model_base: str | Path | None = None,
        *,
        conversation: str = "v1",
        batch_size: int = 16,
        **loading: Any,
    ) -> Describer:
        """Load a checkpoint as `llava_faba.load` does, with its keywords (device, dtype, load_8bit, load_4bit)."""
        loaded = load(model_path, model_base, **loading)[:3]
        describer = cls(*loaded, conversation=conversation, batch_size=batch_size)
        describer.model_path = Path(model_path)
        return describer

    @property
    def prior(self) -> Any:
        """The facial prior that the model reads, None without one."""
        if not self.model.config.facial_prior_tower:
            return None
        return self.model.get_model().facial_prior_tower.prior

    def batch_start(self, done: int) -> int:
        """Where a run that was stopped after so many faces goes on: at the beginning of the batch it stopped in."""
        return done - done % self.batch_size

    def prepare_faces(
        self, pictures: Sequence[Image.Image], priors: Sequence[tuple[np.ndarray, bool]] | None = None
    ) -> list[Face]:
        """Prepare RGB pictures of faces; `priors` are (vector, whether a face was read) where they are known."""
        pixels = prepare_pixels(pictures, self.image_processor, self.model.config)
        if priors is None and self.prior is not None:
            priors = list(zip(*self.prior.extract([np.asarray(picture) for picture in pictures]), strict=True))
        if priors is None:
            return [Face(image, None) for image in pixels]
        return [Face(image, vector, bool(read)) for image, (vector, read) in zip(pixels, priors, strict=True)]

    def can_answer(self, face: Face) -> bool:
        """Whether the model has what it needs: a face that was read, or an empty prior that was learned."""
        return face.is_read or self.model.config.facial_prior_is_learned_empty

    def prefill(self, faces: Sequence[Face]) -> Prefix:
        """Run system prompt and faces through the model, up to where a question begins; return the KV cache."""
        weight = next(self.model.parameters())
        pixels = torch.stack([face.pixels for face in faces]).to(weight.device, self.model.dtype)
        priors = valid = None
        if faces[0].prior is not None:
            priors = torch.from_numpy(np.stack([face.prior for face in faces])).to(weight.device)
            valid = torch.tensor([face.is_read for face in faces], device=weight.device)
        return prefill(
            self.model,
            torch.tensor([self.prompt.before_question], device=weight.device),
            pixels,
            facial_priors=priors,
            facial_prior_valid=valid,
        )

    def over_readable(self, faces: Sequence[Face], run: Callable[[Prefix], Sequence[Result]]) -> list[Result | None]:
        """Prefill the faces of a batch that can be answered and `run` on them; None for the others, in their places."""
        able = [face for face in faces if self.can_answer(face)]
        results = iter(run(self.prefill(able)) if able else ())
        return [next(results) if self.can_answer(face) else None for face in faces]

    def answer(
        self,
        prefix: Prefix,
        questions: Sequence[str],
        *,
        max_new_tokens: int = 512,
        is_last: bool = False,
        on_token: Callable[[int, int], bool] | None = None,
        choose: Callable[[torch.Tensor, Sequence[int]], torch.Tensor] | None = None,
    ) -> list[list[str]]:
        """Answer every question about every face of a prefix: one list of texts a face; see `answer_greedily`."""
        asked = [self.prompt.question_ids(question) for question in questions]
        ids = answer_greedily(
            self.model,
            prefix,
            asked,
            end=self.tokenizer.eos_token_id,
            max_new_tokens=max_new_tokens,
            is_last=is_last,
            on_token=on_token,
            choose=choose,
        )
        texts = [self.tokenizer.decode(new, skip_special_tokens=True).strip() for new in ids]
        return [texts[start : start + len(questions)] for start in range(0, len(texts), len(questions))]

    def describe(
        self, pictures: Iterable[Picture], questions: Sequence[str], *, max_new_tokens: int = 512
    ) -> list[list[str | None]]:
        """Answer the questions about each picture of a face, in batches; None where no face could be read."""
        opened = map(open_picture, pictures)  # a batch at a time
        answers: list[list[str | None]] = []

        def next_batch() -> list[Face]:
            batch = list(islice(opened, self.batch_size))
            return self.prepare_faces(batch) if batch else []

        for faces in one_ahead(next_batch):
            answers += self.describe_faces(faces, questions, max_new_tokens=max_new_tokens)
        return answers

    def describe_faces(
        self, faces: Sequence[Face], questions: Sequence[str], *, max_new_tokens: int = 512
    ) -> list[list[str | None]]:
        """Answer the questions about one batch of faces; None where no face was read and the model needs one."""

        def run(prefix: Prefix) -> list[list[str]]:
            return self.answer(prefix, questions, max_new_tokens=max_new_tokens, is_last=True)

        return [[None] * len(questions) if texts is None else texts for texts in self.over_readable(faces, run)]


def describe(
    images: Picture | Sequence[Picture],
    model_path: str | Path | None = None,
    model_base: str | Path | None = None,
    *,
    tasks: Sequence[str] = ("emotion", "au"),
    max_new_tokens: int = 512,
    **loading: Any,
) -> dict[str, str | None] | list[dict[str, str | None]]:
    """Describe one face, or several: {"emotion": text, "au": text} for each.

    A picture is a path, a PIL image or an RGB uint8 array (height, width, 3) of one face. The text is None where no
    face could be read. Without `model_path` the starter answers. `loading` goes to `llava_faba.load`. To describe again
    and again, keep a `Describer`.
    """
    single = isinstance(images, str | Path | Image.Image | np.ndarray)
    describer = Describer.from_pretrained(chosen_model(model_path), model_base, **loading)
    questions = [question_of(task) for task in tasks]
    answers = describer.describe([images] if single else images, questions, max_new_tokens=max_new_tokens)
    described = [dict(zip(tasks, texts, strict=True)) for texts in answers]
    return described[0] if single else described


@dataclass(frozen=True)
class Request:
    """What is asked about every face; `tasks` say how the answers to `questions` are read, in the same order."""

    tasks: tuple[str, ...]
    questions: tuple[str, ...]
    max_new_tokens: int = 512
    with_probabilities: bool = False
    samples: int = 0  # answers that are sampled for the probabilities; 0: the answer's own words are weighed
    with_evidence: bool = False  # the landmarks are measured, and sentences held against them

    @classmethod
    def of_tasks(
        cls,
        tasks: Sequence[str] | None = None,
        question: str | None = None,
        max_new_tokens: int = 512,
        with_probabilities: bool = False,
        samples: int = 0,
        with_evidence: bool = False,
    ) -> Request:
        """Ask the fixed questions of `tasks`, by default of both; a `question` replaces them.

        The task of a `question` then only says how its answer is read: as an emotion, if none is given.
        """
        chosen = tuple(dict.fromkeys(tasks or (["emotion"] if question else ["emotion", "au"])))
        questions = tuple(question or question_of(task) for task in chosen)
        return cls(chosen, questions, max_new_tokens, with_probabilities, samples, with_evidence)

    @property
    def method(self) -> str:
        """How probabilities come about: "words" or "samples"."""
        return "samples" if self.samples else "words"


def question_of(task: str) -> str:
    """The fixed question of a task, which EmoLA's checkpoints were evaluated with."""
    if task not in QUESTIONS:
        raise InputError(f"There is no task {task!r}.", f"Tasks are {', '.join(QUESTIONS)}.", "Choose one of these.")
    return QUESTIONS[task]


def open_picture(picture: Picture) -> Image.Image:
    """Open a picture as upright RGB, whatever it comes as: by EXIF, transparency on white, 16 bits cut to 8.

    Raises InputError for an array that is not uint8 of shape (height, width), (height, width, 3) or (height, width, 4).
    """
    if isinstance(picture, Image.Image):
        return upright_rgb(picture)
    if isinstance(picture, np.ndarray):
        channels = picture.shape[2:]
        if (
            picture.dtype != np.uint8
            or picture.ndim not in (2, 3)
            or channels not in ((), (3,), (4,))
            or not picture.size
        ):
            raise InputError(
                f"The picture is an array of {picture.dtype} with the shape {picture.shape}.",
                "An array is uint8, 0 to 255, of shape (height, width, 3), channels R, G, B.",
                "Convert it: (255 * array).astype(numpy.uint8) if it holds 0 to 1, array[..., ::-1] if it is B, G, R.",
            )
        return upright_rgb(Image.fromarray(picture))
    return read_image(picture)
