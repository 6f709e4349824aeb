"""Faces -> text, turn by turn: a conversation about one face that goes on from what the model has already read.

The model's cache holds the face and every token since. A further question is answered from the longest part of it that
is still right, so that each answer is token for token the one that the whole prompt gives, and a follow-up costs its
own tokens only.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from llava_faba.errors import InputError
from llava_faba.faces import Turn
from llava_faba.inference.cache import faces_of, rows_of
from llava_faba.inference.decoding import decode_step
from llava_faba.inference.describer import Describer, Face


class Conversation:
    """A conversation about one face; one thread at a time may use it."""

    def __init__(self, describer: Describer, face: Face):
        self._describer = describer
        self.prefix = describer.prefill([face])
        self._cache: Any = None
        self._ids: list[int] = []  # what the cache holds behind the face
        self.reused = 0  # tokens that the last question found in the cache

    def ask(self, question: str, earlier: Sequence[Turn] = (), *, max_new_tokens: int = 512) -> Iterator[str]:
        """Answer a question after the `earlier` turns; yield the answer so far, longer each time."""
        describer = self._describer
        ids = describer.prompt.question_ids(question, [(turn.question, turn.answer) for turn in earlier])
        new: list[int] = []
        text = ""
        for token in self._tokens(ids, max_new_tokens):
            new.append(token)
            # A character of several tokens is shown when it is whole.
            longer = describer.tokenizer.decode(new, skip_special_tokens=True).strip().rstrip("\ufffd")
            if longer != text:
                text = longer
                yield text
        if not text:
            yield text

    @torch.inference_mode()
    def _tokens(self, ids: list[int], max_new_tokens: int) -> Iterator[int]:
        """Greedy tokens after `ids`, until the end token."""
        model, start = self._describer.model, self.prefix.length
        max_positions = getattr(model.config, "max_position_embeddings", None)
        if max_positions is not None and start + len(ids) + 1 > max_positions:
            raise InputError(
                f"The conversation takes {start + len(ids)} positions.",
                f"This model has {max_positions}.",
                "Start a new conversation, or ask a shorter question.",
            )
        kept = 0
        if self._cache is not None:
            pairs = zip(ids[:-1], self._ids, strict=False)  # the last token is always read: the answer starts there
            kept = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(ids) - 1, len(self._ids)))
        read = self.prefix.faces if self._cache is None else faces_of(self._cache)
        cache = rows_of(read, [0], start + kept)
        self._cache, self._ids, self.reused = cache, self._ids[:kept], kept
        unread = ids[kept:]
        for _ in range(max_new_tokens):
            begin = start + len(self._ids)
            if max_positions is not None and begin + len(unread) > max_positions:
                return
            self._cache, token = decode_step(model, self._cache, unread, begin)
            self._ids = self._ids + unread
            if token == self._describer.tokenizer.eos_token_id:
                return
            yield token
            unread = [token]
