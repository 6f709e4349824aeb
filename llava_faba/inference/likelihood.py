"""How likely a model finds the beginning of an answer, over the prefixes of several faces at once."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from llava_faba.inference.decoding import Prefix
from llava_faba.inference.describer import Describer

ROWS_AT_ONCE = 16  # each holds a copy of its face's cache


@torch.inference_mode()
def log_likelihoods(describer: Describer, prefix: Prefix, asked: Sequence[tuple[str, str]]) -> Tensor:
    """Return log p(beginning of the answer | face, question), float64 (B, len(asked)); `asked` are pairs of texts."""
    rows = [(face, *describer.prompt.answer_ids(*pair)) for face in range(prefix.batch) for pair in asked]
    found = [
        value
        for start in range(0, len(rows), ROWS_AT_ONCE)
        for value in _forward(describer.model, prefix, rows[start : start + ROWS_AT_ONCE])
    ]
    return torch.tensor(found, dtype=torch.float64).unflatten(0, (prefix.batch, len(asked)))


def _forward(model: Any, prefix: Prefix, rows: Sequence[tuple[int, list[int], list[int]]]) -> list[float]:
    """One pass over (face, question ids, answer ids); the rows are left-padded, so that the answers end together."""
    width = max(len(question) + len(answer) for _, question, answer in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), prefix.length + width, dtype=torch.long)
    mask[:, : prefix.length] = 1
    for row, (_, question, answer) in enumerate(rows):
        sequence = question + answer
        ids[row, width - len(sequence) :] = torch.tensor(sequence)
        mask[row, prefix.length + width - len(sequence) :] = 1
    device = model.device
    ids, mask = ids.to(device), mask.to(device)
    longest = max(len(answer) for _, _, answer in rows)
    hidden = model.get_model()(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, -width:],
        past_key_values=prefix.cache_for_rows([face for face, _, _ in rows]),
        use_cache=True,
    ).last_hidden_state[:, -longest - 1 : -1]
    logs = model.lm_head(hidden).float().log_softmax(-1)  # (rows, longest, vocabulary): what stands before each token
    chosen = logs.gather(-1, ids[:, -longest:, None])[..., 0].double().cpu()
    return [float(line[longest - len(answer) :].sum()) for line, (_, _, answer) in zip(chosen, rows, strict=True)]
