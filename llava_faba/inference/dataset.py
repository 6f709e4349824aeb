"""A data set -> answers.jsonl: ask one question about every face, a line a sample, on disk as soon as it is there.

A run that was stopped goes on where it was and ends with the bytes of one that was not: samples are answered in batches
of consecutive ones, and a run goes on at the beginning of the batch in which it stopped, so that each face is answered
beside the same others. `answers.jsonl.run.json` says what made the answers; another run in the same place is refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from llava_faba.data.fabainstruct import refuse_missing_images
from llava_faba.errors import InputError
from llava_faba.faces import FaceSample
from llava_faba.files import JsonLines
from llava_faba.inference.certainty import read_temperature
from llava_faba.inference.describer import Describer, Face, Request
from llava_faba.inference.photos import answers_about
from llava_faba.inference.runs import checkpoint_record, data_record, start_or_resume
from llava_faba.inference.served import SentFace, ServedDescriber
from llava_faba.prior import prior_file_dim, read_prior_file
from llava_faba.prior.gather import gather_priors, open_picture
from llava_faba.processes import one_ahead
from llava_faba.vocabulary import NO_FACE

Answers = list[list[dict[str, Any]]]  # of a batch: a list a face, in it one for each task


def answer_samples(
    describer: Describer | ServedDescriber,
    samples: Sequence[FaceSample],
    request: Request,
    out: Path,
    record: dict[str, Any],
) -> int:
    """Append the answers that `out` lacks, in the samples' order; return how many faces could not be read.

    `record` identifies the run. Raises InputError when `out` holds another one, and for a missing or broken picture;
    what was answered before stays.
    """
    refuse_missing_images(samples)
    with JsonLines(out) as lines:
        start_or_resume(out, record)
        answer = partial(answer_batches, describer, request)
        return append_answers(lines, samples, request, describer.batch_size, answer, describer.batch_start)


def append_answers(
    lines: JsonLines,
    samples: Sequence[FaceSample],
    request: Request,
    batch_size: int,
    answer: Callable[[Sequence[FaceSample]], Iterator[Answers]],
    batch_start: Callable[[int], int] | None = None,
) -> int:
    """Append the answers that `lines` lack; return how many faces could not be read.

    `answer` says what is answered about samples, a batch of consecutive ones after the other. `batch_start` says where
    a run goes on that has so many answers: by default at the beginning of the batch in which it stopped.
    """
    written = [line["id"] for line in lines]
    if written != [sample.id for sample in samples[: len(written)]]:
        raise InputError(
            f"{lines.path} does not hold the first {len(written)} samples in their order.",
            "Answers are added in the order of the data.",
            "Choose another --out, or remove that file.",
        )
    done = len(written)
    begin = batch_start(done) if batch_start else done - done % batch_size
    surplus = len(written) - begin  # answered again beside the rest of their batch, but written already
    rest = samples[begin:] if len(written) < len(samples) else []
    with tqdm(total=len(samples), initial=len(written), desc=request.tasks[0], unit="face", disable=None) as bar:
        for batch, answers in zip(batches_of(rest, batch_size), answer(rest) if rest else (), strict=True):
            for sample, (answered,) in islice(zip(batch, answers, strict=True), surplus, None):
                lines.append(answer_line(sample, answered))
            bar.update(len(batch) - surplus)
            surplus = 0
    return sum("unread" in line for line in lines)


def answer_batches(
    describer: Describer | ServedDescriber,
    request: Request,
    samples: Sequence[FaceSample],
    known: Mapping[str, tuple[np.ndarray, bool]] | None = None,
) -> Iterator[Answers]:
    """Yield the answers about each batch of consecutive samples; the next one is prepared meanwhile.

    `known` are the priors by the samples' ids, with whether a face was read; without them they are read now.
    """
    for faces in _seen_ahead(describer, samples, known):
        yield answers_about(describer, faces, request)


def batches_of(samples: Sequence[FaceSample], size: int) -> Iterator[Sequence[FaceSample]]:
    """Yield `size` consecutive samples after the other; the last may be fewer."""
    return (samples[at : at + size] for at in range(0, len(samples), size))


def run_record(
    describer: Describer | ServedDescriber,
    request: Request,
    model_path: str | None,
    model_base: str | None,
    data: Path,
    shard: str,
    image_root: Path | str | None = None,
) -> dict[str, Any]:
    """Say what makes the answers of a run: two runs with the same record give the same lines."""
    model = model_record(describer, model_path, model_base)
    return join_record(model, request_record(describer, request), request, data, shard, image_root)


def join_record(
    model: dict[str, Any],
    asked: dict[str, Any],
    request: Request,
    data: Path,
    shard: str,
    image_root: Path | str | None = None,
) -> dict[str, Any]:
    """Make the record of a run of what `model_record` and `request_record` said, perhaps elsewhere."""
    return {
        **model,
        "task": request.tasks[0],
        "question": request.questions[0],
        **asked,
        **data_record(data, image_root),
        "shard": shard,
    }


def model_record(
    describer: Describer | ServedDescriber, model_path: str | Path | None, model_base: str | Path | None
) -> dict[str, Any]:
    """Say which model answers, how it was loaded, and what it reads of a face; of a served one, where it is."""
    if isinstance(describer, ServedDescriber):
        return describer.record()
    prior = describer.prior
    source = getattr(describer.model, "loaded_from", None)  # a model that was not loaded, but made, has none
    commits = {"commit": source.commit, "base_commit": source.base_commit} if source else {}
    return {
        **checkpoint_record(source.folder if source else model_path, model_base),
        "model": str(model_path),
        **{key: commit for key, commit in commits.items() if commit},
        "prior": prior and prior.name,
        "prior_version": prior and prior.version,
        "dtype": str(describer.model.dtype).removeprefix("torch."),
        "quantised": next(
            (bits for bits in (8, 4) if getattr(describer.model, f"is_loaded_in_{bits}bit", False)), None
        ),
        "conversation": describer.conversation,
    }


def request_record(describer: Describer | ServedDescriber, request: Request) -> dict[str, Any]:
    """Say what is asked besides the questions; the faces of a batch decide the last digits of probabilities."""
    return {
        "max_new_tokens": request.max_new_tokens,
        "probabilities": request.with_probabilities,
        "samples": request.samples,
        "calibration": {
            task: describer.model_path and read_temperature(describer.model_path, task, request.method)
            for task in request.tasks
        }
        if request.with_probabilities
        else None,
        "batch_size": describer.batch_size if request.with_probabilities else None,
    }


def _seen_ahead(
    describer: Describer | ServedDescriber,
    samples: Sequence[FaceSample],
    known: Mapping[str, tuple[np.ndarray, bool]] | None,
) -> Iterator[list[Face] | list[SentFace]]:
    """What the model sees of each batch of samples; the next one is prepared while the model answers."""
    if known is None and describer.prior is not None and samples:
        vectors, valid = gather_priors(samples, describer.prior)
        known = {sample.id: (vector, ok) for sample, vector, ok in zip(samples, vectors, valid, strict=True)}

    batches = batches_of(samples, describer.batch_size)

    def next_batch() -> list[Face] | list[SentFace] | None:
        batch = next(batches, None)
        if batch is None:
            return None
        pictures = [open_picture(sample) for sample in batch]
        if isinstance(describer, ServedDescriber):  # which reads what is not known
            return describer.prepare_faces(pictures, [_stored_prior(sample) for sample in batch])
        return describer.prepare_faces(pictures, known and [known[sample.id] for sample in batch])

    return one_ahead(next_batch)


def _stored_prior(sample: FaceSample) -> tuple[np.ndarray, bool] | None:
    path = sample.prior_path
    return None if path is None else (read_prior_file(path, prior_file_dim(path, sample.id), sample.id), True)


def answer_line(sample: FaceSample, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the line of answers.jsonl for a sample's answer, as `answers_about` gives it."""
    line = {
        "id": sample.id,
        "image": sample.image,
        "task": answer["task"],
        "question": answer["question"],
        "answer": answer["answer"] or "",
        "reference": sample.reference or "",
        "label": sample.label or "",
    } | ({"subject": sample.subject} if sample.subject else {})
    if answer["answer"] is None:
        return {**line, "unread": NO_FACE}
    return line | {key: answer[key] for key in ("probabilities", "probabilities_by") if answer.get(key)}
