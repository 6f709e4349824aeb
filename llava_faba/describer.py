"""Faces -> text: ask a model about faces, in batches, all questions about a face over one shared prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from llava_faba.data.prompts import QUESTIONS
from llava_faba.errors import InputError
from llava_faba.generation import Prefix, answer_greedily, read_prefix
from llava_faba.images import read_image
from llava_faba.model.checkpoint import load

Picture = str | Path | Image.Image | np.ndarray
NO_FACE = "no face was read in the picture"


@dataclass
class Face:
    """What the model sees of one face: its pixels as CLIP's processor makes them, and its prior."""

    pixels: torch.Tensor  # (3, height, width)
    prior: np.ndarray | None  # (P,) float32
    is_read: bool = True  # False: no face was read, and `prior` says nothing


class Describer:
    """A loaded model that describes faces; several threads may use one."""

    def __init__(
        self, tokenizer: Any, model: Any, image_processor: Any, *, conversation: str = "v1", batch_size: int = 16
    ):
        from llava.conversation import conv_templates

        if conversation not in conv_templates:
            raise InputError(
                f"There is no conversation template {conversation!r}.",
                f"LLaVA has {', '.join(conv_templates)}.",
                "Use v1 for models on Vicuna 1.5, as LLaVA-1.5 and EmoLA.",
            )
        self.tokenizer, self.model, self.image_processor = tokenizer, model, image_processor
        self.template, self.batch_size = conv_templates[conversation], batch_size

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
        return cls(*loaded, conversation=conversation, batch_size=batch_size)

    @property
    def prior(self) -> Any:
        """The facial prior that the model reads, None without one."""
        if not self.model.config.facial_prior_tower:
            return None
        return self.model.get_model().facial_prior_tower.prior

    def see(
        self, pictures: Sequence[Image.Image], priors: Sequence[tuple[np.ndarray, bool]] | None = None
    ) -> list[Face]:
        """Prepare RGB pictures of faces; `priors` are (vector, whether a face was read) where they are known."""
        from llava.mm_utils import process_images

        pixels = process_images(list(pictures), self.image_processor, self.model.config)
        if priors is None and self.prior is not None:
            priors = list(zip(*self.prior.extract([np.asarray(picture) for picture in pictures]), strict=True))
        if priors is None:
            return [Face(image, None) for image in pixels]
        return [Face(image, vector, bool(read)) for image, (vector, read) in zip(pixels, priors, strict=True)]

    def can_answer(self, face: Face) -> bool:
        """Whether the model has what it needs: a face that was read, or an empty prior that was learned."""
        return face.is_read or self.model.config.facial_prior_is_learned_empty

    def read(self, faces: Sequence[Face]) -> Prefix:
        """Read faces into the model, up to where a question begins."""
        weight = next(self.model.parameters())
        pixels = torch.stack([face.pixels for face in faces]).to(weight.device, self.model.dtype)
        priors = valid = None
        if faces[0].prior is not None:
            priors = torch.from_numpy(np.stack([face.prior for face in faces])).to(weight.device)
            valid = torch.tensor([face.is_read for face in faces], device=weight.device)
        ids, _ = self._split(self._prompt(""))
        return read_prefix(
            self.model,
            torch.tensor([ids], device=weight.device),
            pixels,
            facial_priors=priors,
            facial_prior_valid=valid,
        )

    def answer(
        self,
        prefix: Prefix,
        questions: Sequence[str],
        *,
        max_new_tokens: int = 512,
        on_token: Callable[[int, int], bool] | None = None,
    ) -> list[list[str]]:
        """Answer every question about every face of a prefix: one list of texts a face."""
        asked = [self._split(self._prompt(question))[1] for question in questions]
        ids = answer_greedily(
            self.model,
            prefix,
            asked,
            end=self.tokenizer.eos_token_id,
            max_new_tokens=max_new_tokens,
            on_token=on_token,
        )
        texts = [self.tokenizer.decode(new, skip_special_tokens=True).strip() for new in ids]
        return [texts[start : start + len(questions)] for start in range(0, len(texts), len(questions))]

    def describe(
        self, pictures: Iterable[Picture], questions: Sequence[str], *, max_new_tokens: int = 512
    ) -> list[list[str | None]]:
        """Answer the questions about each picture of a face, in batches; None where no face could be read."""
        pictures = [open_picture(picture) for picture in pictures]
        answers: list[list[str | None]] = []
        for start in range(0, len(pictures), self.batch_size):
            faces = self.see(pictures[start : start + self.batch_size])
            answers += self.describe_faces(faces, questions, max_new_tokens=max_new_tokens)
        return answers

    def describe_faces(
        self, faces: Sequence[Face], questions: Sequence[str], *, max_new_tokens: int = 512
    ) -> list[list[str | None]]:
        """Answer the questions about one batch of faces; None where no face was read and the model needs one."""
        able = [face for face in faces if self.can_answer(face)]
        texts = iter(self.answer(self.read(able), questions, max_new_tokens=max_new_tokens) if able else [])
        return [next(texts) if self.can_answer(face) else [None] * len(questions) for face in faces]

    def token_ids(self, question: str, answer: str) -> tuple[list[int], list[int]]:
        """Token ids of a question, behind the image, and of the beginning of an answer to it."""
        asked = self._split(self._prompt(question))[1]
        both = self._split(f"{self._prompt(question)} {answer}")[1]
        common = next((n for n, (a, b) in enumerate(zip(asked, both, strict=False)) if a != b), len(asked))
        return both[:common], both[common:]

    def turn_ids(self, earlier: Sequence[tuple[str, str]], question: str) -> list[int]:
        """Token ids, behind the image, of a question after `earlier` turns: pairs of question and answer."""
        return self._split(self._prompt(question, earlier))[1]

    def _prompt(self, question: str, earlier: Sequence[tuple[str, str]] = ()) -> str:
        conversation = self.template.copy()
        start, end = ("<im_start>", "<im_end>") if self.model.config.mm_use_im_start_end else ("", "")
        image = f"{start}<image>{end}\n"
        for asked, answer in (*earlier, (question, None)):
            conversation.append_message(conversation.roles[0], image + asked)
            conversation.append_message(conversation.roles[1], answer)
            image = ""
        return conversation.get_prompt()

    def _split(self, prompt: str) -> tuple[list[int], list[int]]:
        """Token ids up to and with the image, and the ids behind it."""
        from llava.constants import IMAGE_TOKEN_INDEX
        from llava.mm_utils import tokenizer_image_token

        ids = tokenizer_image_token(prompt, self.tokenizer, IMAGE_TOKEN_INDEX)
        image = ids.index(IMAGE_TOKEN_INDEX)
        return ids[: image + 1], ids[image + 1 :]


def describe(
    images: Picture | Sequence[Picture],
    model_path: str | Path,
    model_base: str | Path | None = None,
    *,
    tasks: Sequence[str] = ("emotion", "au"),
    max_new_tokens: int = 512,
    **loading: Any,
) -> dict[str, str | None] | list[dict[str, str | None]]:
    """Describe one face, or several: {"emotion": text, "au": text} for each.

    A picture is a path, a PIL image or an RGB uint8 array (height, width, 3) of one face. The text is None where no
    face could be read. `loading` goes to `llava_faba.load`. To describe again and again, keep a `Describer`.
    """
    single = isinstance(images, str | Path | Image.Image | np.ndarray)
    describer = Describer.from_pretrained(model_path, model_base, **loading)
    questions = [question_of(task) for task in tasks]
    answers = describer.describe([images] if single else images, questions, max_new_tokens=max_new_tokens)
    described = [dict(zip(tasks, texts, strict=True)) for texts in answers]
    return described[0] if single else described


def question_of(task: str) -> str:
    """The fixed question of a task, which EmoLA's checkpoints were evaluated with."""
    if task not in QUESTIONS:
        raise InputError(f"There is no task {task!r}.", f"Tasks are {', '.join(QUESTIONS)}.", "Choose one of these.")
    return QUESTIONS[task]


def open_picture(picture: Picture) -> Image.Image:
    """Open a picture as upright RGB."""
    if isinstance(picture, Image.Image):
        return picture.convert("RGB")
    if isinstance(picture, np.ndarray):
        return Image.fromarray(picture).convert("RGB")
    return read_image(picture)
