"""Annotations -> what a run trains on: its samples, and their priors, read once and before a model is loaded.

`prepare` hangs a `RunInputs` on LLaVA's data arguments, from which the data set takes it. Several ranks share the
pictures that have no stored prior, each reading its part.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.errors import InputError
from llava_faba.faces import FaceSample
from llava_faba.prior import FacialPrior, build_prior, prior_file_dim
from llava_faba.prior.gather import extract_pictures, gather_priors
from llava_faba.train.ranks import all_parts, rank_and_ranks
from llava_faba.train.validation_set import ValidationSet

KEY = "faba_inputs"  # the attribute of the data arguments


@dataclass
class RunInputs:
    """A run's samples and its prior; `vectors` (n, P) float32 and `valid` (n,) bool once the faces are read."""

    samples: Sequence[Any]
    prior: FacialPrior | None
    vectors: np.ndarray | None = None
    valid: np.ndarray | None = None
    validation: ValidationSet | None = None

    def faces(self) -> list[Any]:
        """All samples that are trained on or validated on."""
        return [*self.samples, *(self.validation.all_samples() if self.validation is not None else ())]

    def read_faces(self) -> None:
        """Read every sample's prior, from its file or from its picture; all ranks must call it."""
        if self.prior is not None:
            self.vectors, self.valid = gather_priors(self.samples, self.prior, shared_between_ranks)
            if self.validation is not None:
                self.validation.read_faces(self.prior, shared_between_ranks)


def build_run_prior(
    name: str | None, model_file: str | None, size: int | None, samples: Sequence[FaceSample]
) -> FacialPrior | None:
    """Build the prior of a run; vectors from files have `size` numbers, by default as many as the first file."""
    if name is None:
        return None
    prior = build_prior(name, model_file, size)
    stored = next((sample for sample in samples if sample.prior_path is not None), None)
    if prior.dim or stored is None:
        return prior
    return build_prior(name, model_file, prior_file_dim(stored.prior_path, stored.id))


def shared_between_ranks(
    pictures: Mapping[Path, FaceSample], prior: FacialPrior
) -> Iterator[tuple[Path, np.ndarray | None]]:
    """Read each picture on one rank and hand what was read to all of them; an error of one is raised on every rank."""
    rank, ranks = rank_and_ranks()
    if ranks == 1:
        yield from extract_pictures(pictures, prior)
        return
    mine = dict(list(pictures.items())[rank::ranks])
    found: list[tuple[Path, np.ndarray | None]] | InputError
    try:
        found = list(extract_pictures(mine, prior))
    except InputError as error:
        found = error
    parts = all_parts(found)
    for part in parts:
        if isinstance(part, InputError):
            raise part
    for part in parts:
        yield from part
