"""Greedy answers to several questions about each face, over one shared prefix.

What precedes a question (system prompt, visual tokens, prior token) is the same for every question of a face and as
long for every face. It is read once; its cache is repeated for the questions, which stand left-padded behind it. The
answers are token for token those of one question at a time with `generate`, in float32.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from llava_faba.errors import InputError
from llava_faba.inference.cache import Layer, Reading, closing_up, faces_of, keep_rows, rows_of

# Positions that a CPU reads at once: the activations of more do not fit its caches, and it waits for memory instead.
POSITIONS_AT_ONCE = 1300


@dataclass
class Prefix:
    """The read prefix of B faces: the layers of each face's cache, the prefix's length L, and the cache as a whole."""

    faces: list[list[Layer]]
    length: int
    whole: Any = None  # its rows are the faces

    @classmethod
    def of(cls, cache: Any, length: int) -> "Prefix":
        """The prefix whose faces are the rows of a growing cache."""
        return cls(faces_of(cache), length, cache)

    @property
    def batch(self) -> int:
        """The number of faces, B."""
        return len(self.faces)

    def cache_for_rows(self, faces: Sequence[int]) -> Any:
        """A cache with a row for each of `faces`, which may repeat; the prefix itself can be used again."""
        return rows_of(self.faces, faces)

    def give_up(self) -> Any:
        """The cache itself, a row a face; nothing is copied, and the prefix cannot be used again."""
        cache, self.faces, self.whole = self.whole, [], None
        return cache

    def of_face(self, face: int) -> "Prefix":
        """The prefix of one face alone; what was read is looked at, not copied."""
        return Prefix([self.faces[face]], self.length)


@torch.inference_mode()
def prefill(model: Any, input_ids: Tensor, images: Tensor, **priors: Tensor | None) -> Prefix:
    """Read what precedes the questions: `input_ids` (1, n) ending in the image token, pixels (B, 3, height, width).

    `priors` are `facial_priors` and `facial_prior_valid`, as the model's forward takes them.
    """
    batch = len(images)
    prepared = model.prepare_inputs_labels_for_multimodal(
        input_ids.expand(batch, -1), None, None, None, None, model.with_priors(images, **priors)
    )
    embeddings = prepared[4]  # (B, L, D)
    length = embeddings.shape[1]
    at_once = batch if embeddings.device.type != "cpu" else max(1, POSITIONS_AT_ONCE // length)
    reading = Reading(batch)
    for part in embeddings.split(at_once):
        model.get_model()(inputs_embeds=part, past_key_values=reading, use_cache=True)
        reading.begin += len(part)
    return Prefix.of(reading.done(), length)


@torch.inference_mode()
def answer_greedily(
    model: Any,
    prefix: Prefix,
    questions: Sequence[Sequence[int]],
    *,
    end: int,
    max_new_tokens: int,
    is_last: bool = False,
    on_token: Callable[[int, int], bool] | None = None,
    choose: Callable[[Tensor, Sequence[int]], Tensor] | None = None,
) -> list[list[int]]:
    """Answer every question about every face; return new token ids, without the end token, face by face.

    `questions` are token ids, the same for each face; the result holds B x Q lists. `is_last` says that the prefix is
    not used again: one question a face is then answered in the face's own cache, without a copy. `on_token(row, id)` is
    called for every new token and ends that row where it returns False. A row that is done leaves the batch. `choose`
    takes logits (alive, vocabulary) and the numbers of the rows that are alive, and returns a token for each; without
    it the likeliest is taken.
    """
    device = model.device
    rows = prefix.batch * len(questions)
    width = max(map(len, questions))
    padded = torch.zeros(len(questions), width, dtype=torch.long)
    present = torch.zeros(len(questions), width, dtype=torch.long)
    for row, ids in enumerate(questions):
        padded[row, width - len(ids) :] = torch.tensor(ids)
        present[row, width - len(ids) :] = 1
    ids = padded.repeat(prefix.batch, 1).to(device)  # (B x Q, width)
    mask = torch.cat((torch.ones(rows, prefix.length, dtype=torch.long), present.repeat(prefix.batch, 1)), 1).to(device)
    max_positions = getattr(model.config, "max_position_embeddings", None)
    _check_positions(mask.shape[1], max_positions)
    if is_last and len(questions) == 1 and prefix.whole is not None:
        cache = prefix.give_up()
    else:
        cache = prefix.cache_for_rows([face for face in range(prefix.batch) for _ in questions])
    answers: list[list[int]] = [[] for _ in range(rows)]
    alive = torch.arange(rows)
    for _ in range(max_new_tokens):
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = model.get_model()(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        cache = output.past_key_values
        logits = model.lm_head(output.last_hidden_state[:, -1]).float()  # (alive, vocabulary)
        chosen = choose(logits, alive.tolist()) if choose else logits.argmax(-1)  # (alive,)
        kept = []
        for place, (row, token) in enumerate(zip(alive.tolist(), chosen.tolist(), strict=True)):
            if token == end:
                continue
            answers[row].append(token)
            if on_token is None or on_token(row, token):
                kept.append(place)
        if not kept or (max_positions is not None and mask.shape[1] + 1 > max_positions):
            break
        if len(kept) < len(alive):
            order = closing_up(kept)
            places = torch.tensor(order)
            alive, chosen, mask = alive[places], chosen[places.to(device)], mask[places.to(device)]
            keep_rows(cache, order)
        ids = chosen[:, None]
        mask = torch.cat((mask, mask.new_ones(len(alive), 1)), dim=1)
    return answers


@torch.inference_mode()
def stream_greedily(
    model: Any, prefix: Prefix, question: Sequence[int], *, end: int, max_new_tokens: int
) -> Iterator[int]:
    """Answer one question about one face, token by token; the tokens are those of `answer_greedily`."""
    max_positions = getattr(model.config, "max_position_embeddings", None)
    held, unread = prefix.length, list(question)
    _check_positions(held + len(unread), max_positions)
    cache = prefix.cache_for_rows([0])
    for _ in range(max_new_tokens):
        begin, held = held, held + len(unread)
        if max_positions is not None and held > max_positions:
            return
        cache, token = decode_step(model, cache, unread, begin)
        if token == end:
            return
        yield token
        unread = [token]


def decode_step(model: Any, cache: Any, unread: Sequence[int], begin: int) -> tuple[Any, int]:
    """Read token ids of one face behind the `begin` positions of a cache; return the cache and the likeliest next."""
    end = begin + len(unread)
    output = model.get_model()(
        input_ids=torch.tensor([unread], device=model.device),
        attention_mask=torch.ones(1, end, dtype=torch.long, device=model.device),
        position_ids=torch.arange(begin, end, device=model.device)[None],
        past_key_values=cache,
        use_cache=True,
    )
    return output.past_key_values, int(model.lm_head(output.last_hidden_state[:, -1]).float().argmax(-1))


def _check_positions(length: int, max_positions: int | None) -> None:
    if max_positions is not None and length + 1 > max_positions:
        raise InputError(
            f"The prompt takes {length} positions.", f"This model has {max_positions}.", "Ask a shorter question."
        )
