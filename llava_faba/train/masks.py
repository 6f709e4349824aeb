"""Conversation -> token ids and labels: exactly the assistant's answers and their end marks are trained on.

LLaVA finds the answers by adding up token counts of pieces, which fails on some tokenizers and then masks the whole
sample with a printed line (two turns with `legacy: false` always do). Here each answer lies between two prefixes of
the prompt, up to "ASSISTANT:" and up to the answer's end mark, and both are tokenised as prefixes: no arithmetic.
"""

import torch
from llava import conversation as conversation_lib
from llava.constants import IGNORE_INDEX
from llava.conversation import SeparatorStyle
from llava.mm_utils import tokenizer_image_token
from llava.train.train import _add_speaker_and_signal, preprocess_plain
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from llava_faba.errors import InputError

Turn = dict[str, str]  # {"from": "human" or "gpt", "value"}


def encode(conversation: list[Turn], tokenizer: PreTrainedTokenizerBase, sample: str) -> tuple[Tensor, Tensor]:
    """Tokenise a conversation by LLaVA's current template; return ids (L,) and labels (L,), both int64.

    Raises InputError naming the sample when an answer cannot be found again among the tokens.
    """
    template = conversation_lib.default_conversation
    if template.sep_style == SeparatorStyle.PLAIN:
        plain = preprocess_plain([[dict(turn) for turn in conversation]], tokenizer)
        return plain["input_ids"][0], plain["labels"][0]
    speak = _speak_v0 if _is_v0(template) else _speak
    prompt, answers = speak(conversation, template)
    ids = tokenizer_image_token(prompt, tokenizer)
    labels = [IGNORE_INDEX] * len(ids)
    for number, (question, whole) in enumerate(answers, start=1):
        asked = tokenizer_image_token(question, tokenizer)
        told = ids if whole == prompt else tokenizer_image_token(whole, tokenizer)
        start, end = _common(ids, asked), len(told)
        # The last token of a prefix may grow over its border; further back a prefix must agree with the whole.
        found = start >= len(asked) - 1 and _common(ids, told) >= end - 1 and start < end <= len(ids)
        if not found or not _ends(ids[end - 1], template, tokenizer):
            raise InputError(
                f"Sample {sample!r}: answer {number} cannot be found again among the prompt's tokens "
                f"({start} of {len(asked)} tokens of its question agree, and it would end with token {ids[end - 1]}).",
                f"The tokenizer must split the text of the template {template.version!r} alike with and without the "
                f"answer, and know its end mark {_mark(template)!r} as one token.",
                "Use the tokenizer that came with the base model, or another --version.",
            )
        labels[start:end] = ids[start:end]
    return torch.tensor(ids), torch.tensor(labels)


def _is_v0(template: conversation_lib.Conversation) -> bool:
    """Whether LLaVA's `preprocess` writes the prompt itself, not by `get_prompt` (its last branch)."""
    own = template.sep_style == SeparatorStyle.LLAMA_2 or template.version.startswith("v1") or template.version == "mpt"
    return not own


def _speak(conversation: list[Turn], template: conversation_lib.Conversation) -> tuple[str, list[tuple[str, str]]]:
    """Return the prompt, and for each answer the prompt up to it and up to its end mark."""
    roles = dict(zip(("human", "gpt"), template.roles, strict=True))
    turns = [[roles[turn["from"]], turn["value"]] for turn in conversation]

    def prompt(messages: list[list[str | None]]) -> str:
        spoken = template.copy()
        spoken.messages = messages
        return spoken.get_prompt()

    answers = [
        (prompt([*turns[:i], [turns[i][0], None]]), prompt(turns[: i + 1]))
        for i, turn in enumerate(conversation)
        if turn["from"] == "gpt"
    ]
    return prompt(turns), answers


def _speak_v0(conversation: list[Turn], template: conversation_lib.Conversation) -> tuple[str, list[tuple[str, str]]]:
    """The same for LLaVA's oldest templates, whose end mark is the "###" that opens the next turn."""
    pieces = [dict(turn) for turn in conversation]
    header = f"{template.system}\n\n"
    prompt = _add_speaker_and_signal(header, pieces)  # writes "### Assistant: answer\n" into the pieces
    answers, spoken = [], header
    for turn, piece in zip(conversation, pieces, strict=True):
        written = piece["value"]
        if turn["from"] == "gpt":
            question = written[: written.rindex(turn["value"])].rstrip()
            answers.append((spoken + question, spoken + written + template.sep))
        spoken += written
    return prompt, answers


def _mark(template: conversation_lib.Conversation) -> str:
    return template.sep2 or template.sep


def _ends(token: int, template: conversation_lib.Conversation, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether an answer's last token is its end mark, where the mark is the tokenizer's own end of sequence."""
    return _mark(template) != tokenizer.eos_token or token == tokenizer.eos_token_id


def _common(ids: list[int], prefix: list[int]) -> int:
    """The number of tokens on which two sequences agree from their start."""
    return next((i for i, (a, b) in enumerate(zip(ids, prefix, strict=False)) if a != b), min(len(ids), len(prefix)))
