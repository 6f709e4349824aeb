"""A model and labelled faces -> scored answers: asked as `describe` asks, scored as `score` scores, without files.

Training watches itself with it. The answers of all ranks, put together, give the same numbers on each of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from llava_faba.eval.answers import parse_answer
from llava_faba.eval.bench import score
from llava_faba.eval.defaults import setting_of
from llava_faba.faces import FaceSample
from llava_faba.inference.dataset import answer_batches, answer_line, batches_of
from llava_faba.inference.describer import Describer, Request

METRICS = ("rege", "s_re", "s_ge")


def answer_faces(
    describer: Describer,
    samples: Sequence[FaceSample],
    known: Mapping[str, tuple[np.ndarray, bool]] | None,
    task: str,
    max_new_tokens: int,
) -> Iterator[dict[str, Any]]:
    """Yield the line of answers.jsonl for each sample, in their order; `known` are their priors by id."""
    request = Request.of_tasks([task], max_new_tokens=max_new_tokens)
    batches = batches_of(samples, describer.batch_size)
    for batch, answers in zip(batches, answer_batches(describer, request, samples, known), strict=True):
        for sample, (answer,) in zip(batch, answers, strict=True):
            yield answer_line(sample, answer)


def score_lines(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Score the lines of one task as `llava-faba score` does without options.

    Returns `task`, `rules`, `n`, `failed`, and `s_re`, `s_ge` and `rege` in percent with their intervals `ci95`; None
    where a number is undefined.
    """
    answers = [parse_answer(dict(line), f"validation sample {line['id']!r}") for line in lines]
    setting = setting_of(answers)
    result = score(answers, setting.dataset, setting.rules)[0].as_json()
    kept = {name: result[name] for name in ("task", "rules", "n", "failed", *METRICS)}
    return {**kept, "ci95": {name: result["ci95"][name] for name in METRICS}}
