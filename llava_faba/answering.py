"""A data set -> answers.jsonl: ask one question about every face, a line a sample, on disk as soon as it is there.

A run that was stopped goes on where it was and ends with the bytes of one that was not. `answers.jsonl.run.json` says
what made the answers; another run in the same place is refused.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llava_faba.data.priors import gather_priors, open_picture
from llava_faba.describer import NO_FACE, Describer, Face
from llava_faba.errors import InputError, MissingFileError
from llava_faba.faces import FaceSample
from llava_faba.files import JsonLines, read_json, write_json
from llava_faba.likelihood import probabilities

EDGE_BYTES = 2**20  # of each weight file, at its start and end, that a fingerprint reads


@dataclass(frozen=True)
class Question:
    """What is asked about every face of a run."""

    task: str  # "emotion" or "au"
    text: str
    max_new_tokens: int
    with_probabilities: bool = False


def answer_samples(
    describer: Describer, samples: Sequence[FaceSample], question: Question, out: Path, record: dict[str, Any]
) -> int:
    """Append the answers that `out` lacks, in the samples' order; return how many faces could not be read.

    `record` identifies the run. Raises InputError when `out` holds another one, and for a missing or broken picture;
    what was answered before stays.
    """
    refuse_missing_pictures(samples)
    claim(out, record)
    with JsonLines(out) as lines:
        done = {line["id"] for line in lines}
        pending = [sample for sample in samples if sample.id not in done]
        unread = sum("unread" in line for line in lines)
        bar = tqdm(total=len(samples), initial=len(done), desc=f"{question.task}", unit="face")
        with bar:
            for batch, faces in _seen_ahead(describer, pending):
                for sample, (text, likely) in zip(batch, _answers(describer, faces, question), strict=True):
                    lines.append(_line(sample, question, text) | ({"probabilities": likely} if likely else {}))
                    unread += text is None
                bar.update(len(batch))
    return unread


def claim(out: Path, record: dict[str, Any], flag: str = "--out") -> None:
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
    describer: Describer, question: Question, model_path: str, model_base: str | None, data: Path, shard: str
) -> dict[str, Any]:
    """Say what makes the answers of a run: two runs with the same record give the same lines."""
    return {
        **model_record(describer, model_path, model_base),
        "task": question.task,
        "question": question.text,
        "max_new_tokens": question.max_new_tokens,
        "probabilities": question.with_probabilities,
        "data": data.name,
        "data_sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
        "shard": shard,
    }


def model_record(describer: Describer, model_path: str | Path, model_base: str | Path | None) -> dict[str, Any]:
    """Say which model answers, and what it reads of a face."""
    prior = describer.prior
    return {
        "model": str(model_path),
        "base": model_base and str(model_base),
        "model_fingerprint": fingerprint(Path(model_path)),
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
        describer.prior.dim = describer.prior.dim or describer.model.config.facial_prior_hidden_size
        vectors, valid = gather_priors(samples, describer.prior)
        known = {sample.id: (vector, ok) for sample, vector, ok in zip(samples, vectors, valid, strict=True)}

    def see(batch: list[FaceSample]) -> list[Face]:
        return describer.see([open_picture(sample) for sample in batch], known and [known[s.id] for s in batch])

    batches = [samples[at : at + describer.batch_size] for at in range(0, len(samples), describer.batch_size)]
    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(see, batches[0])] if batches else []
        for batch, following in zip(batches, [*batches[1:], None], strict=True):
            faces = ahead.pop().result()
            if following is not None:
                ahead.append(pool.submit(see, following))
            yield batch, faces


def _answers(
    describer: Describer, faces: list[Face], question: Question
) -> list[tuple[str | None, dict[str, float] | None]]:
    """Text and probabilities of each face of a batch; both None where no face was read and the model needs one."""
    able = [face for face in faces if describer.can_answer(face)]
    if not able:
        return [(None, None)] * len(faces)
    prefix = describer.read(able)
    texts = [text for (text,) in describer.answer(prefix, [question.text], max_new_tokens=question.max_new_tokens)]
    likely = probabilities(describer, prefix, question.task) if question.with_probabilities else [None] * len(able)
    answered = iter(zip(texts, likely, strict=True))
    return [next(answered) if describer.can_answer(face) else (None, None) for face in faces]


def _line(sample: FaceSample, question: Question, text: str | None) -> dict[str, Any]:
    line = {
        "id": sample.id,
        "image": sample.image,
        "task": question.task,
        "question": question.text,
        "answer": text or "",
        "reference": sample.reference or "",
        "label": sample.label or "",
    }
    return line if text is not None else {**line, "unread": NO_FACE}
