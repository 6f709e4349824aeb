"""Two sets of faces -> what they share: pictures, by path and by content, and people.

A face that was trained on says nothing about faces that were not. Pictures are compared byte for byte, so that a copy
under another name is found; `llava-faba split` finds near duplicates too.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llava_faba.errors import InputError
from llava_faba.faces import FaceSample
from llava_faba.files import file_hash
from llava_faba.processes import say

NAMED = 5  # ids that a message names


@dataclass(frozen=True)
class Overlap:
    """What a set of faces shares with the training set."""

    pictures: tuple[str, ...]  # ids of its samples whose picture is in the training set
    subjects: tuple[str, ...]  # people who are in both, where the samples say who is seen

    @property
    def sentence(self) -> str:
        """Say what is shared; "" where nothing is."""
        kinds = (("pictures", self.pictures), ("people", self.subjects))
        found = [f"{len(names)} {kind} ({_listed(names)})" for kind, names in kinds if names]
        return " and ".join(found)


def overlap_of(faces: Sequence[FaceSample], training: Sequence[FaceSample]) -> Overlap:
    """Return what `faces` share with the `training` samples; a picture is read only where a size is the same."""
    trained_on = {sample.image_path for sample in training if sample.image_path is not None}
    contents = _Contents(trained_on)
    pictures = [
        sample.id
        for sample in faces
        if sample.image_path is not None and (sample.image_path in trained_on or sample.image_path in contents)
    ]
    people = {sample.subject for sample in training if sample.subject is not None}
    return Overlap(tuple(pictures), tuple(sorted({s.subject for s in faces if s.subject is not None} & people)))


def refuse_overlap(overlap: Overlap, allowed: bool) -> None:
    """Raise InputError where the validation set shares faces with the training set; only warn where that is allowed."""
    if not overlap.sentence:
        return
    got = f"The validation set and the training set share {overlap.sentence}."
    if allowed:
        say(f"warning: {got} What is measured on these is memory, not skill.")
        return
    raise InputError(
        got,
        "A model is validated on faces and people that it is not trained on.",
        "Split anew: llava-faba split; or give --validation_allow_overlap True to be warned only.",
    )


class _Contents:
    """The contents of files; those of one size are read when another file of that size is asked for, and once."""

    def __init__(self, files: Iterable[Path]):
        self._files: dict[int, list[Path]] = defaultdict(list)
        for path in files:
            self._files[path.stat().st_size].append(path)
        self._hashes: dict[int, set[str]] = {}

    def __contains__(self, path: Path) -> bool:
        size = path.stat().st_size
        if size not in self._files:
            return False
        if size not in self._hashes:
            self._hashes[size] = {file_hash(other) for other in self._files[size]}
        return file_hash(path) in self._hashes[size]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
