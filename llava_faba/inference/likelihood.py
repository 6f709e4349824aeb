"""How likely a model finds the beginning of an answer, over the prefixes of several faces at once.

What all the asked texts begin with, question and words before the first difference, is read once for each face; behind
it each text costs its own last tokens only.
"""

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
    model = describer.model
    pairs = [describer.prompt.answer_ids(*pair) for pair in asked]
    texts = [question + answer for question, answer in pairs]
    begins = [len(question) for question, _ in pairs]  # where the answer begins in each text
    # 1. What is common, once for each face: log p of its own tokens, and of every token that may follow it.
    shortest = min(map(len, texts))
    alike = next((n for n, ids in enumerate(zip(*texts, strict=False)) if len(set(ids)) > 1), shortest)
    common = min(alike, shortest - 1)
    known, logs = _read_common(model, prefix, texts[0][:common])
    # 2. What is left of each text: rows of (face, tokens to read, tokens to weigh).
    rows = [
        (face, text[common:-1], text[max(begin, common + 1) :])
        for face in range(prefix.batch)
        for text, begin in zip(texts, begins, strict=True)
    ]
    found: list[float] = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        found += _forward(model, known, rows[start : start + ROWS_AT_ONCE])
    sums = torch.tensor(found, dtype=torch.float64).unflatten(0, (prefix.batch, len(asked)))
    # 3. The answer's own tokens among what is common, and the first one behind it.
    for column, (text, begin) in enumerate(zip(texts, begins, strict=True)):
        for place in range(begin, common + 1):
            sums[:, column] += logs[:, place - 1, text[place]]
    return sums


def _read_common(model: Any, prefix: Prefix, ids: list[int]) -> tuple[Prefix, Tensor]:
    """Read `ids` behind each face; return the longer prefix, and log p of what follows each id (B, len(ids), V)."""
    if not ids:
        return prefix, torch.empty(prefix.batch, 0, 0)
    end = prefix.length + len(ids)
    output = model.get_model()(
        input_ids=torch.tensor([ids] * prefix.batch, device=model.device),
        attention_mask=torch.ones(prefix.batch, end, dtype=torch.long, device=model.device),
        position_ids=torch.arange(prefix.length, end, device=model.device).expand(prefix.batch, -1),
        past_key_values=prefix.cache_for_rows(range(prefix.batch)),
        use_cache=True,
    )
    logs = model.lm_head(output.last_hidden_state).float().log_softmax(-1)
    return Prefix.of(output.past_key_values, end), logs.cpu()


def _forward(model: Any, known: Prefix, rows: Sequence[tuple[int, list[int], list[int]]]) -> list[float]:
    """One pass over rows, left-padded, so that they end together; return the sum of log p of each row's last tokens."""
    width = max(len(read) for _, read, _ in rows)
    longest = max(len(weighed) for _, _, weighed in rows)
    if not longest:
        return [0.0] * len(rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    wanted = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), known.length + width, dtype=torch.long)
    mask[:, : known.length] = 1
    for row, (_, read, weighed) in enumerate(rows):
        ids[row, width - len(read) :] = torch.tensor(read, dtype=torch.long)
        wanted[row, longest - len(weighed) :] = torch.tensor(weighed, dtype=torch.long)
        mask[row, known.length + width - len(read) :] = 1
    ids, mask, wanted = (tensor.to(model.device) for tensor in (ids, mask, wanted))
    hidden = model.get_model()(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, -width:],
        past_key_values=known.cache_for_rows([face for face, _, _ in rows]),
        use_cache=True,
    ).last_hidden_state[:, -longest:]
    logs = model.lm_head(hidden).float().log_softmax(-1)  # (rows, longest, vocabulary): what follows each token
    chosen = logs.gather(-1, wanted[:, :, None])[..., 0].double().cpu()
    return [float(line[longest - len(weighed) :].sum()) for line, (_, _, weighed) in zip(chosen, rows, strict=True)]
