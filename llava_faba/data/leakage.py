"""Sets of clips -> what they share: ids, files and patients, compared by hashes that a model can keep.

A clip of the training set that is tested on again, or another clip of the same patient, makes every number look better
than it is. Ids belong to their patients (`clip 1` of two patients are two clips); files are compared by their content,
so that a copy under another name is found. A hash keeps a name out of config.json, and no secret: who knows the names
can tell which of them were there.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from llava_faba.data.clips import ClipSample
from llava_faba.errors import InputError

KINDS = ("ids", "files", "patients")
ENDS = 1 << 16  # bytes at a file's start and end that tell it from others, with its size

Marks = dict[str, list[str]]  # kind -> hashes


def marks_of(samples: Sequence[ClipSample]) -> Marks:
    """Return the hashes of a set's ids, files and patients, sorted; a clip that is not there has no file's hash."""
    return {kind: sorted(set(named)) for kind, named in _named(samples).items()}


def join_marks(one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]) -> Marks:
    """Return the hashes that are in one of two sets or in both."""
    return {kind: sorted({*one.get(kind, ()), *other.get(kind, ())}) for kind in KINDS}


def patient_hash(patient: str | None) -> str | None:
    """Return the hash under which a patient is kept."""
    return None if patient is None else _hash("patient", patient)


def shared_marks(one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return how many ids, files and patients two sets share."""
    return {kind: len(set(one.get(kind, ())) & set(other.get(kind, ()))) for kind in KINDS}


def refuse_leaks(sets: Mapping[str, Sequence[ClipSample]]) -> None:
    """Raise InputError where two of the named sets share a patient, a file or an id."""
    named = {name: _named(samples) for name, samples in sets.items() if samples}
    for (one, ours), (other, theirs) in combinations(named.items(), 2):
        shared = {
            kind: sorted({ours[kind][mark] for mark in ours[kind].keys() & theirs[kind].keys()}) for kind in KINDS
        }
        found = [
            f"{len(shared[kind])} {kind} ({', '.join(shared[kind][:5])})"
            for kind in ("patients", "files", "ids")
            if shared[kind]
        ]
        if found:
            raise InputError(
                f"The {one} and the {other} share {' and '.join(found)}.",
                "A patient's clips belong to one of the sets, or the numbers say nothing about other patients.",
                "Split by patient: llava-faba split-clips",
            )


def _named(samples: Sequence[ClipSample]) -> dict[str, dict[str, str]]:
    """Return kind -> hash -> the name that a message gives it."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for sample in samples:
        found["ids"][_hash("id", f"{sample.patient or ''}\0{sample.id}")] = sample.id
        if sample.patient is not None:
            found["patients"][_hash("patient", sample.patient)] = sample.patient
        if (content := _content(sample.path)) is not None:
            found["files"][content] = sample.video
    return found


def _content(path: Path) -> str | None:
    """Hash a clip by its content: a file by its size and both ends, a folder by its pictures' names and sizes."""
    if path.is_dir():
        inside = sorted(inner for inner in path.iterdir() if inner.is_file())
        listed = [f"{inner.name}:{inner.stat().st_size}" for inner in inside]
        return _hash("folder", "\n".join(listed), *(inner.read_bytes() for inner in inside[:1])) if inside else None
    if not path.is_file():
        return None
    with open(path, "rb") as opened:
        start = opened.read(ENDS)
        size = path.stat().st_size
        opened.seek(max(0, size - ENDS))
        return _hash("file", str(size), start, opened.read())


def _hash(kind: str, text: str, *more: bytes) -> str:
    return hashlib.sha256(b"\0".join([f"llava-faba {kind}".encode(), text.encode(), *more])).hexdigest()[:16]
