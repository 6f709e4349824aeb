"""`--validation FILE` -> the faces a run is validated on: labelled, drawn once, not trained on, with their priors.

They are kept in OUT/validation as an evaluation file a task with its priors, on which `describe` and `score` give the
run's own numbers again.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.data.fabainstruct import Task, label_text, read_evaluation, refuse_missing_images
from llava_faba.data.overlap import Overlap, overlap_of, refuse_overlap
from llava_faba.errors import InputError
from llava_faba.faces import FaceSample
from llava_faba.files import existing_file, file_hash, read_json, write_atomically, write_json
from llava_faba.inference.validation import METRICS
from llava_faba.prior import FacialPrior
from llava_faba.prior.gather import Extract, extract_pictures, gather_priors
from llava_faba.prior.precomputed import MANIFEST
from llava_faba.processes import say
from llava_faba.train.answering import keep_random_states
from llava_faba.vocabulary import EMOTIONS, NO_FACE, UNREAD_RECORD

FOLDER = "validation"  # in the output folder
LEAST = {"validation_size": 0, "validation_patience": 0, "validation_max_new_tokens": 1}


@dataclass
class ValidationSet:
    """The faces of each task, and how they are asked about; `known` are their priors once they are read."""

    samples: dict[str, list[FaceSample]]  # task -> samples
    sizes: dict[str, int]  # task -> samples in its file
    files: list[Path]
    conversation: str
    overlap: Overlap
    args: Any = field(repr=False)  # the data arguments, whose `validation_...` are used
    known: dict[str, dict[str, tuple[np.ndarray, bool]]] | None = None  # task -> id -> (prior, whether it was read)

    @property
    def metric(self) -> str:
        """The metric by which the best checkpoint is chosen."""
        return str(self.args.validation_metric)

    def all_samples(self) -> list[FaceSample]:
        """The drawn samples of all tasks."""
        return [sample for own in self.samples.values() for sample in own]

    def read_faces(self, prior: FacialPrior, extract: Extract = extract_pictures) -> None:
        """Read every face's prior, from its file or from its picture; all ranks must call it."""
        self.known = {}
        with keep_random_states():
            for task, samples in self.samples.items():
                vectors, valid = gather_priors(samples, prior, extract)
                if not valid.all():
                    say(f"validation, {task}: no face was read in {int((~valid).sum())} of {len(samples)} samples")
                rows = zip(samples, vectors, valid, strict=True)
                self.known[task] = {sample.id: (vector, bool(read)) for sample, vector, read in rows}

    def record(self) -> dict[str, Any]:
        """Say what is validated on, for run.json."""
        return {
            "files": [{"file": file.name, "sha256": file_hash(file)} for file in self.files],
            "faces": {task: {"drawn": len(own), "of": self.sizes[task]} for task, own in self.samples.items()},
            "seed": self.args.validation_seed,
            "metric": self.metric,
            "max_new_tokens": self.args.validation_max_new_tokens,
            "shared_with_training": {
                "pictures": len(self.overlap.pictures),
                "people": len(self.overlap.subjects),
            },
        }

    def write(self, output_dir: Path, prior: FacialPrior | None, version: str | None) -> None:
        """Write the faces into OUT/validation, TASK.json each, with their priors, of this version, in a folder TASK."""
        unread = []
        for task, samples in self.samples.items():
            entries = []
            for number, sample in enumerate(samples):
                entry = {"id": sample.id, "image": sample.image, "label": sample.label, "gpt4": sample.reference}
                entry |= {"subject": sample.subject} if sample.subject else {}
                vector, read = self.known[task][sample.id] if self.known else (None, True)
                if not read:
                    unread.append({"id": sample.id, "reason": NO_FACE})
                elif vector is not None and not prior.identifies:
                    entry["landmark"] = f"{task}/{number}.npy"
                    (output_dir / FOLDER / task).mkdir(parents=True, exist_ok=True)
                    np.save(output_dir / FOLDER / entry["landmark"], vector)
                entries.append(entry)
            write_json(output_dir / FOLDER / f"{task}.json", entries)
        if prior is not None:
            write_json(output_dir / FOLDER / MANIFEST, {"prior": prior.name, "version": version, "P": prior.dim})
            lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in unread)
            write_atomically(output_dir / FOLDER / UNREAD_RECORD, lines)


def read_validation(
    files: Sequence[Path], model_args: Any, data_args: Any, training: Sequence[FaceSample]
) -> ValidationSet | None:
    """Read the files of `--validation` and draw from each; None where there are none.

    Raises InputError for flags that do not go with it, an unlabelled sample, and faces that are trained on.
    """
    if not files:
        return None
    _check_flags(model_args, data_args)
    samples: dict[str, list[FaceSample]] = {}
    sizes, everything = {}, []
    for file in files:
        task = task_of_file(existing_file(file, "validation file --validation"))
        if task in samples:
            raise InputError(
                f"--validation names two files of the task {task}: {file} is the second.",
                "There is one file a task.",
                "Put their samples into one file.",
            )
        of_file = read_evaluation(file, data_args.image_folder, task)
        _refuse_unusable(of_file, file)
        sizes[task], samples[task] = len(of_file), _drawn(of_file, data_args)
        everything += of_file
    overlap = overlap_of(everything, training)
    refuse_overlap(overlap, data_args.validation_allow_overlap)
    samples = {task: samples[task] for task in ("emotion", "au") if task in samples}
    conversation = model_args.version or "v1"
    return ValidationSet(samples, sizes, list(files), conversation, overlap, data_args)


def task_of_file(path: Path) -> Task:
    """Tell an evaluation file's task by its labels: an emotion's name, or AUs; numbers up to 6 alone are emotions."""
    entries = read_json(path, "annotation file")
    labels = [label_text(entry.get("label")) or "" for entry in entries if isinstance(entry, dict)]
    if any(label.strip().lower() in {name.lower() for name in EMOTIONS} for label in labels):
        return "emotion"
    return "emotion" if all(re.fullmatch(r"\s*[0-6]?\s*", label) for label in labels) else "au"


def _check_flags(model_args: Any, data_args: Any) -> None:
    wrong = [(name, f"{least} or more") for name, least in LEAST.items() if getattr(data_args, name) < least]
    for name in ("validation_steps", "validation_batch_size"):
        if getattr(data_args, name) is not None and getattr(data_args, name) < 1:
            wrong.append((name, "1 or more"))
    if data_args.validation_metric not in METRICS:
        wrong.append(("validation_metric", f"one of {', '.join(METRICS)}"))
    if wrong:
        name, allowed = wrong[0]
        raise InputError(f"--{name} is {getattr(data_args, name)}.", f"It is {allowed}.", "Correct the flag.")
    if hasattr(data_args, "read_samples"):
        raise InputError(
            "--validation is given with clips.",
            "It is for faces; the clips that give a severity its interval are those of --validation_path.",
            "Give --validation_path.",
        )
    if not model_args.vision_tower or model_args.tune_mm_mlp_adapter:
        raise InputError(
            "--validation is given, and the run trains no model that describes faces by itself.",
            "It needs --vision_tower, and goes with LoRA and full training, not with --tune_mm_mlp_adapter.",
            "Leave --validation out.",
        )


def _refuse_unusable(samples: Sequence[FaceSample], file: Path) -> None:
    unlabelled = [sample.id for sample in samples if sample.label is None]
    if unlabelled:
        raise InputError(
            f"{len(unlabelled)} of {len(samples)} samples of {file} have no label, the first is {unlabelled[0]!r}.",
            "A validation sample has the label that its answer is held against.",
            "Add the labels, or take these samples out.",
        )
    refuse_missing_images(samples, f"--image_folder, those of {file} too")


def _drawn(samples: list[FaceSample], data_args: Any) -> list[FaceSample]:
    size = data_args.validation_size
    if not 0 < size < len(samples):
        return samples
    chosen = np.random.default_rng(data_args.validation_seed).choice(len(samples), size, replace=False)
    return [samples[place] for place in sorted(chosen)]
