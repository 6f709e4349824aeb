"""Annotation files -> clips to learn from: PFED5+ style JSON, and PFED5's own csv with folders of frames.

JSON: [{"id", "video", "expression", "score", "conversations"?, "patient"?, "fps"?, "trajectory"?, "colours"?}], `video`
a file or a folder of frames relative to the clip root, `fps` a folder's frames a second (default: 25), `trajectory` and
`colours` .npy files as PFED5's (see video/tracks.py), relative to the clip root too.

PFED5 (QAFE-Net and TraMP-Former): rows id_v, label, num_frames, class, in TraMP-Former's file with one more column
before the class; frames lie in root/patient/video/*.jpg, patient = id_v.split("_")[-1], video = id_v[:11]. Nothing of
the data set is shipped.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingFileError
from llava_faba.face.images import SUFFIXES
from llava_faba.files import existing_file, read_json, resolve_inside
from llava_faba.vocabulary import EXPRESSIONS, MAX_SEVERITY

MAX_FPS = 1000
INSTRUCTION = "Describe how the face moves in this clip of the expression {expression}."


@dataclass(frozen=True)
class ClipSample:
    """One annotated clip."""

    id: str
    video: str  # as written, relative to the clip root
    path: Path
    expression: str
    severity: float | None  # 0..4; None: not rated
    patient: str | None
    conversations: list[dict[str, str]] = field(default_factory=list)
    frames: int | None = None  # as annotated
    fps: float | None = None  # frames a second of a folder; None: not annotated
    trajectory: Path | None = None  # landmarks that were read before
    colours: Path | None = None  # and their pixels' colours
    released: dict[str, str] = field(default_factory=dict)  # both as written


@dataclass(frozen=True)
class ClipDefect:
    """What is wrong with one entry."""

    id: str
    entry: int  # from 1
    defect: str
    detail: str


def read_samples(file: Path | str, root: Path | str) -> list[ClipSample]:
    """Read an annotation file, json or csv; the first defect is an InputError that names the sample."""
    samples = []
    for number, sample in _examined(file, root):
        if isinstance(sample, ClipDefect):
            raise InputError(
                f"Sample {sample.id!r} (entry {number}) of {file} {sample.detail}.",
                "A clip has an id, a video inside the clip root, an expression and a score of 0 to 4.",
                f"Correct it; `llava-faba doctor {file} --image-root {root}` lists every such sample.",
            )
        samples.append(sample)
    return samples


def examine_clips(file: Path | str, root: Path | str) -> tuple[int, list[ClipDefect]]:
    """Return the number of entries and every defect, missing clips and wrong frame counts too."""
    entries, defects, seen = 0, [], set()
    for number, sample in _examined(file, root):
        entries += 1
        if isinstance(sample, ClipDefect):
            defects.append(sample)
            continue
        if sample.id in seen:
            defects.append(ClipDefect(sample.id, number, "duplicate-id", "has the id of another sample"))
        seen.add(sample.id)
        if sample.path.is_dir():
            found = sum(path.suffix.lower() in SUFFIXES for path in sample.path.iterdir())
            if found < 2 or sample.frames not in (None, found):
                detail = f"has {found} frames in its folder, annotated are {sample.frames}"
                defects.append(ClipDefect(sample.id, number, "frame-count", detail))
        elif not sample.path.is_file():
            defects.append(ClipDefect(sample.id, number, "missing-clip", f"names {sample.video}, which is not there"))
        if sample.severity is None:
            defects.append(ClipDefect(sample.id, number, "no-score", "is not rated"))
    return entries, defects


def as_entry(sample: ClipSample) -> dict[str, Any]:
    """Return a sample as PFED5+ style JSON writes it."""
    entry: dict[str, Any] = {"id": sample.id, "video": sample.video, "expression": sample.expression}
    entry |= {"score": sample.severity, "patient": sample.patient, "conversations": sample.conversations}
    entry |= {name: getattr(sample, name) for name in ("frames", "fps") if getattr(sample, name) is not None}
    return entry | sample.released


def with_released(sample: ClipSample, trajectories: str | None, colours: str | None) -> ClipSample:
    """Return a sample with the files that PFED5's releases have for it: FOLDER/PATIENT/VIDEO-PATIENT.npy.

    A folder that is not given adds nothing, and what the sample itself names is kept.
    """
    found = {}
    for field_name, folder in (("trajectory", trajectories), ("colours", colours)):
        if folder and getattr(sample, field_name) is None:
            name = f"{sample.path.stem}-{sample.patient}.npy"
            found[field_name] = existing_file(Path(folder) / str(sample.patient) / name, f"file of {field_name}")
    return replace(sample, **found)


def is_clip_file(file: Path | str) -> bool:
    """Tell whether an annotation file is one of clips: PFED5's csv, or JSON whose first entry has a `video`."""
    if Path(file).suffix.lower() == ".csv":
        return True
    entries = read_json(file, "annotation file")
    return isinstance(entries, list) and bool(entries) and isinstance(entries[0], dict) and "video" in entries[0]


def split_by_patient(samples: Sequence[ClipSample], share: float, seed: int = 0) -> tuple[list[int], list[int]]:
    """Split the indices of samples in two, no patient in both; about `share` of the patients go to the second part.

    Raises InputError where a sample has no patient, or fewer than two patients are there.
    """
    import numpy as np

    nameless = [sample.id for sample in samples if sample.patient is None]
    patients = sorted({sample.patient for sample in samples if sample.patient is not None})
    if nameless or len(patients) < 2:
        raise InputError(
            f"{len(nameless)} clips name no patient ({', '.join(nameless[:5])}); {len(patients)} patients are named.",
            "A split that keeps patients apart needs `patient` in every sample, and two patients or more.",
            "Add `patient` to the samples.",
        )
    order = np.random.default_rng(seed).permutation(len(patients))
    chosen = {patients[index] for index in order[: max(1, round(share * len(patients)))]}
    parts: tuple[list[int], list[int]] = ([], [])
    for index, sample in enumerate(samples):
        parts[sample.patient in chosen].append(index)
    return parts


def _examined(file: Path | str, root: Path | str) -> Iterator[tuple[int, ClipSample | ClipDefect]]:
    if not Path(root).is_dir():
        raise MissingFileError(f"The clip root {root} does not exist.", "It is a folder.", "Check the path.")
    rows = _csv_rows(Path(file)) if Path(file).suffix.lower() == ".csv" else _json_rows(Path(file))
    for number, row in enumerate(rows, start=1):
        yield number, _sample(row, number, root)


def _json_rows(file: Path) -> list[Any]:
    rows = read_json(file, "annotation file")
    if not isinstance(rows, list) or not rows:
        raise InputError(
            f"The annotation file {file} holds no list of clips.",
            'It is a list of {"id", "video", "expression", "score", "conversations"}.',
            "Give such a file, or PFED5's csv.",
        )
    return rows


def _csv_rows(file: Path) -> list[dict[str, Any]]:
    """PFED5's rows in the JSON's terms; a header line, where there is one, has no number in its second column."""
    with open(existing_file(file, "PFED5 csv"), newline="", encoding="utf-8-sig") as opened:
        rows = [row for row in csv.reader(opened) if row]
    if rows and len(rows[0]) > 1 and _number(rows[0][1]) is None:
        rows = rows[1:]
    described = []
    for row in rows:
        place = 4 if len(row) > 4 and _number(row[4]) is not None else 3
        kind = _number(row[place]) if len(row) > place else None
        known = kind is not None and kind in range(len(EXPRESSIONS))
        patient = row[0].split("_")[-1]
        described.append(
            {
                "id": row[0],
                "video": f"{patient}/{row[0][:11]}",
                "expression": EXPRESSIONS[int(kind)] if known else f"class {row[place:]}",
                "score": _number(row[1]) if len(row) > 1 else None,
                "patient": patient,
                "frames": int(_number(row[2]) or 0) if len(row) > 2 else None,
                "unknown": not known,
            }
        )
    if not described:
        raise InputError(f"The file {file} holds no rows.", "PFED5's csv has one a clip.", "Give such a file.")
    return described


def _sample(row: Any, number: int, root: Path | str) -> ClipSample | ClipDefect:
    name = str(row.get("id") or number) if isinstance(row, dict) else str(number)
    defect = lambda kind, detail: ClipDefect(name, number, kind, detail)  # noqa: E731
    if not isinstance(row, dict) or not isinstance(row.get("video"), str) or not row["video"]:
        return defect("no-video", "has no `video`")
    if row.get("id") in (None, ""):
        return defect("no-id", "has no `id`")
    if not isinstance(row.get("expression"), str) or not row["expression"] or row.get("unknown"):
        return defect("unknown-expression", f"has the expression {row.get('expression')!r}")
    score = row.get("score")
    rated = _number(score)
    if score is not None and (rated is None or not 0 <= rated <= MAX_SEVERITY):
        return defect("score", f"has the score {score!r}, which is not 0 to 4")
    turns = row.get("conversations") or []
    if not isinstance(turns, list) or any(
        not isinstance(turn, dict)
        or turn.get("from") != ("human", "gpt")[place % 2]
        or not isinstance(turn.get("value"), str)
        for place, turn in enumerate(turns)
    ):
        return defect("conversations", "has conversations in which human and gpt do not take turns")
    try:
        path = resolve_inside(root, row["video"], name)
    except InputError:
        return defect("path", f"names {row['video']!r}, which is not inside the clip root")
    fps = row.get("fps")
    if fps is not None and not 1 <= (_number(fps) or 0) <= MAX_FPS:
        return defect("fps", f"has the fps {fps!r}, which is not 1 to {MAX_FPS}")
    released = {name: row[name] for name in ("trajectory", "colours") if row.get(name) is not None}
    try:
        files = {key: resolve_inside(root, str(value), name) for key, value in released.items()}
    except InputError:
        return defect("path", f"names {sorted(released.values())}, which is not inside the clip root")
    patient = row.get("patient")
    return ClipSample(
        id=name,
        video=row["video"],
        path=path,
        expression=row["expression"],
        severity=rated,
        patient=None if patient is None else str(patient),
        conversations=turns,
        frames=row.get("frames"),
        fps=_number(fps),
        released=released,
        **files,
    )


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) and not isinstance(text, bool) else None
