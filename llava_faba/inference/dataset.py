"""A data set -> answers.jsonl: ask one question about every face, a line a sample, on disk as soon as it is there.

A run that was stopped goes on where it was and ends with the bytes of one that was not: samples are answered in batches
of consecutive ones, and a run goes on at the beginning of the batch in which it stopped, so that each face is answered
beside the same others. `answers.jsonl.run.json` says what made the answers; another run in the same place is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from llava_faba.errors import InputError, MissingFileError
from llava_faba.faces import FaceSample
from llava_faba.files import JsonLines
from llava_faba.inference.certainty import read_temperature
from llava_faba.inference.describer import NO_FACE, Describer, Face, Request
from llava_faba.inference.photos import answers_about
from llava_faba.inference.runs import checkpoint_record, data_record, start_or_resume
from llava_faba.prior.gather import gather_priors, open_picture
from llava_faba.processes import one_ahead


def answer_samples(
    describer: Describer, samples: Sequence[FaceSample], request: Request, out: Path, record: dict[str, Any]
) -> int:
    """Append the answers that `out` lacks, in the samples' order; return how many faces could not be read.

    `record` identifies the run. Raises InputError when `out` holds another one, and for a missing or broken picture;
    what was answered before stays.
    """
    refuse_missing_pictures(samples)
    with JsonLines(out) as lines:
        start_or_resume(out, record)
        written = [line["id"] for line in lines]
        if written != [sample.id for sample in samples[: len(written)]]:
            raise InputError(
                f"{out} does not hold the first {len(written)} samples in their order.",
                "Answers are added in the order of the data.",
                "Choose another --out, or remove that file.",
            )
        begin = len(written) - len(written) % describer.batch_size
        surplus = len(written) - begin  # answered again beside the rest of their batch, but written already
        with tqdm(total=len(samples), initial=len(written), desc=request.tasks[0], unit="face", disable=None) as bar:
            for batch, faces in seen_ahead(describer, list(samples[begin:]) if len(written) < len(samples) else []):
                answered = zip(batch, answers_about(describer, faces, request), strict=True)
                for sample, (answer,) in islice(answered, surplus, None):
                    lines.append(answer_line(sample, answer))
                bar.update(len(batch) - surplus)
                surplus = 0
        return sum("unread" in line for line in lines)


def run_record(
    describer: Describer,
    request: Request,
    model_path: str,
    model_base: str | None,
    data: Path,
    shard: str,
    image_root: Path | str | None = None,
) -> dict[str, Any]:
    """Say what makes the answers of a run: two runs with the same record give the same lines."""
    return {
        **model_record(describer, model_path, model_base),
        "task": request.tasks[0],
        "question": request.questions[0],
        **request_record(describer, request),
        **data_record(data, image_root),
        "shard": shard,
    }


def model_record(describer: Describer, model_path: str | Path, model_base: str | Path | None) -> dict[str, Any]:
    """Say which model answers, how it was loaded, and what it reads of a face."""
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


def request_record(describer: Describer, request: Request) -> dict[str, Any]:
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


def refuse_missing_pictures(samples: Sequence[FaceSample]) -> None:
    """Raise MissingFileError if a sample's picture is not there, before anything is loaded or written."""
    missing = [sample for sample in samples if not sample.image_path.is_file()]
    if missing:
        raise MissingFileError(
            f"Sample {missing[0].id!r} names the image {missing[0].image_path}, which does not exist; "
            f"{len(missing)} of {len(samples)} samples miss theirs.",
            "Image paths are relative to --image-root.",
            "Give the right folder; `llava-faba doctor` lists every missing image.",
        )


def seen_ahead(
    describer: Describer, samples: list[FaceSample], known: Mapping[str, tuple[np.ndarray, bool]] | None = None
) -> Iterator[tuple[list[FaceSample], list[Face]]]:
    """Yield batches of samples with what the model sees of them; the next one is prepared while the model answers.

    `known` are the priors by the samples' ids, with whether a face was read; without them they are read now.
    """
    if known is None and describer.prior is not None and samples:
        vectors, valid = gather_priors(samples, describer.prior)
        known = {sample.id: (vector, ok) for sample, vector, ok in zip(samples, vectors, valid, strict=True)}

    batches = iter([samples[at : at + describer.batch_size] for at in range(0, len(samples), describer.batch_size)])

    def next_batch() -> tuple[list[FaceSample], list[Face]] | None:
        batch = next(batches, None)
        if batch is None:
            return None
        pictures = [open_picture(sample) for sample in batch]
        return batch, describer.prepare_faces(pictures, known and [known[sample.id] for sample in batch])

    return one_ahead(next_batch)


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
