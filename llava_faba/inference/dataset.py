"""A data set -> answers.jsonl: ask one question about every face, a line a sample, on disk as soon as it is there.

A run that was stopped goes on where it was and ends with the bytes of one that was not. `answers.jsonl.run.json` says
what made the answers; another run in the same place is refused.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llava_faba.errors import InputError, MissingFileError
from llava_faba.faces import FaceSample
from llava_faba.files import JsonLines, read_json, write_json
from llava_faba.inference.describer import NO_FACE, Describer, Face, Request
from llava_faba.inference.photos import answers_about
from llava_faba.prior.gather import gather_priors, open_picture
from llava_faba.processes import one_ahead

EDGE_BYTES = 2**20  # of each weight file, at its start and end, that a fingerprint reads


def answer_samples(
    describer: Describer, samples: Sequence[FaceSample], request: Request, out: Path, record: dict[str, Any]
) -> int:
    """Append the answers that `out` lacks, in the samples' order; return how many faces could not be read.

    `record` identifies the run. Raises InputError when `out` holds another one, and for a missing or broken picture;
    what was answered before stays.
    """
    refuse_missing_pictures(samples)
    start_or_resume(out, record)
    with JsonLines(out) as lines:
        done = {line["id"] for line in lines}
        pending = [sample for sample in samples if sample.id not in done]
        unread = sum("unread" in line for line in lines)
        bar = tqdm(total=len(samples), initial=len(done), desc=request.tasks[0], unit="face")
        with bar:
            for batch, faces in _seen_ahead(describer, pending):
                for sample, (answer,) in zip(batch, answers_about(describer, faces, request), strict=True):
                    lines.append(_line(sample, answer))
                    unread += answer["answer"] is None
                bar.update(len(batch))
    return unread


def start_or_resume(out: Path, record: dict[str, Any], flag: str = "--out") -> None:
    """Write beside `out`, which `flag` named, what makes its answers, or compare it with what is written there."""
    place = out.with_name(out.name + ".run.json")
    if place.is_file():
        written = read_json(place, "run record")
        different = [key for key in sorted({*record, *written}) if record.get(key) != written.get(key)]
        if different:
            listed = "; ".join(f"{key} was {written.get(key)!r}, is {record.get(key)!r}" for key in different)
            raise InputError(
                f"{out} holds the answers of another run: {listed}.",
                "A file of answers comes from one model, one question and one data set.",
                f"Choose another {flag}, or remove that file and its .run.json.",
            )
    elif out.is_file() and out.stat().st_size:
        raise InputError(
            f"{out} is there, and no {place.name} says what made it.",
            "Answers are only added to a run that is known.",
            f"Choose another {flag}, or remove that file.",
        )
    else:
        write_json(place, record)


def run_record(
    describer: Describer, request: Request, model_path: str, model_base: str | None, data: Path, shard: str
) -> dict[str, Any]:
    """Say what makes the answers of a run: two runs with the same record give the same lines."""
    return {
        **model_record(describer, model_path, model_base),
        "task": request.tasks[0],
        "question": request.questions[0],
        "max_new_tokens": request.max_new_tokens,
        "probabilities": request.with_probabilities,
        "data": data.name,
        "data_sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
        "shard": shard,
    }


def model_record(describer: Describer, model_path: str | Path, model_base: str | Path | None) -> dict[str, Any]:
    """Say which model answers, and what it reads of a face."""
    prior = describer.prior
    source = getattr(describer.model, "loaded_from", None)  # a model that was not loaded, but made, has none
    commits = {"commit": source.commit, "base_commit": source.base_commit} if source else {}
    return {
        "model": str(model_path),
        "base": model_base and str(model_base),
        **{key: commit for key, commit in commits.items() if commit},
        "model_fingerprint": fingerprint(source.folder if source else Path(model_path)),
        "prior": prior and prior.name,
        "prior_version": prior and prior.version,
        "dtype": str(describer.model.dtype).removeprefix("torch."),
    }


def fingerprint(folder: Path) -> str:
    """Tell one trained model from another: a hash of its configs and of the sizes, starts and ends of its weights."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin"), *folder.glob("*config.json")]):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with open(file, "rb") as content:
            digest.update(content.read(EDGE_BYTES))
            content.seek(max(0, size - EDGE_BYTES))
            digest.update(content.read(EDGE_BYTES))
    return digest.hexdigest()


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


def _seen_ahead(describer: Describer, samples: list[FaceSample]) -> Iterator[tuple[list[FaceSample], list[Face]]]:
    """Batches of samples with what the model sees of them; the next one is prepared while the model answers."""
    known = None
    if describer.prior is not None and samples:
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


def _line(sample: FaceSample, answer: dict[str, Any]) -> dict[str, Any]:
    line = {
        "id": sample.id,
        "image": sample.image,
        "task": answer["task"],
        "question": answer["question"],
        "answer": answer["answer"] or "",
        "reference": sample.reference or "",
        "label": sample.label or "",
    }
    if answer["answer"] is None:
        return {**line, "unread": NO_FACE}
    return line | ({"probabilities": answer["probabilities"]} if answer.get("probabilities") else {})
