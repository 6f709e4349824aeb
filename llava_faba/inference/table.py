"""Pictures and clips -> a tidy table, a row a face, on disk as soon as it is there.

A run that was stopped goes on where it was and ends with the bytes of one that was not: rows are answered in batches of
consecutive ones, and a run goes on at the beginning of the batch in which it stopped, so that each face is answered
beside the same others. `OUT.csv.run.json` says what made the table; another run in the same place is refused.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from llava_faba.errors import InputError
from llava_faba.face.crop import chosen_detector, find_faces
from llava_faba.face.measures import MeasuredFace, measure_crop, measure_photo
from llava_faba.inference.columns import answer_cells, columns, evidence_cells, face_cells, where_cells
from llava_faba.inference.dataset import model_record, request_record
from llava_faba.inference.describer import Describer, Face, Request
from llava_faba.inference.inputs import Sighting, estimate_sightings, name_of, see_files
from llava_faba.inference.photos import answers_about
from llava_faba.inference.rows import CsvRows
from llava_faba.inference.runs import start_or_resume
from llava_faba.inference.served import SentFace, ServedDescriber
from llava_faba.processes import one_ahead

NOBODY = "no face was found"


@dataclass(frozen=True)
class FaceSelection:
    """Which faces a table is about."""

    crop: str = "all"  # "all" or "largest" that are found; "no": a picture is a face
    fps: float = 1.0  # frames a second of clips


@dataclass(frozen=True)
class Summary:
    """What a table holds."""

    faces: int  # that were described
    unread: list[tuple[str, str]]  # (file, with the time in a clip; reason) of the other rows


@dataclass
class _Row:
    """A row before it is answered."""

    cells: dict[str, Any]
    picture: Image.Image | None = None  # None: there is nobody to ask about
    first_of_sighting: bool = True
    measured: MeasuredFace | None = None
    seen: Face | SentFace | None = None


def table_record(
    describer: Describer | ServedDescriber,
    model_path: str | Path | None,
    model_base: str | Path | None,
    files: Sequence[Path],
    request: Request,
    selection: FaceSelection,
) -> dict[str, Any]:
    """Say what makes a table: two runs with the same record, over files of the same names and sizes, give the same."""
    model, asked = model_record(describer, model_path, model_base), request_record(describer, request)
    detector = None if selection.crop == "no" else chosen_detector().version
    return join_table_record(model, asked, detector, files, request, selection)


def join_table_record(
    model: dict[str, Any],
    asked: dict[str, Any],
    detector: str | None,
    files: Sequence[Path],
    request: Request,
    selection: FaceSelection,
) -> dict[str, Any]:
    """Make the record of a table of what `model_record` and `request_record` said, perhaps elsewhere."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{name_of(file)}\0{file.stat().st_size}\0".encode())
    return {
        **model,
        "tasks": list(request.tasks),
        "questions": list(request.questions),
        **asked,
        "evidence": request.with_evidence,
        "crop": selection.crop,
        "detector": detector,
        "fps": selection.fps,
        "files": len(files),
        "files_sha256": digest.hexdigest(),
    }


def write_table(
    describer: Describer | ServedDescriber,
    files: Sequence[Path],
    request: Request,
    selection: FaceSelection,
    out: Path,
    record: dict[str, Any],
) -> Summary:
    """Append the rows that `out` lacks, in the order of the files, their frames and the size of their faces.

    `record` identifies the run. Raises InputError when `out` holds another one. What cannot be read becomes a row that
    says so.
    """
    names = columns(request.tasks, request.with_probabilities, request.with_evidence)
    with CsvRows(out, names, on_open=lambda: start_or_resume(out, record, "--csv")) as rows:
        there = [(row["input"], row["frame"]) for row in rows]
        begin = describer.batch_start(len(there))
        surplus = len(there) - begin  # answered again beside the rest of their batch, but written already
        pending = _seen(describer, _rows_after(there[:begin], files, selection, request.with_evidence))
        total = sum(estimate_sightings(file, selection.fps) for file in files)
        with tqdm(total=total, initial=len(set(there[:begin])), unit="picture", disable=None) as bar:
            for batch in pending:
                rows.append(_answered(describer, batch, request)[surplus:])
                surplus = 0
                done = sum(row.first_of_sighting for row in batch)
                bar.total = max(bar.total, bar.n + done)  # a header may promise too little
                bar.update(done)
            bar.total = bar.n
        return summary_of(rows)


def _rows_after(
    there: Sequence[tuple[str, str]], files: Sequence[Path], selection: FaceSelection, measured: bool
) -> Iterator[_Row]:
    """The rows that follow those that are there, given as (input, frame); files are not read again for what is done."""
    if not there:
        return _rows(see_files(files, selection.fps), selection.crop, measured)
    name, frame = there[-1]
    at = next(number for number, file in enumerate(files) if name_of(file) == name)
    if not frame:  # the clip's end could not be read: nothing of it is left
        return _rows(see_files(files[at + 1 :], selection.fps), selection.crop, measured)
    same = sum(1 for row in there if row == there[-1])
    rows = _rows(see_files(files[at:], selection.fps, int(frame)), selection.crop, measured)
    return islice(rows, same, None)


def _rows(sightings: Iterator[Sighting], crop: str, measured: bool) -> Iterator[_Row]:
    for sighting in sightings:
        cells = where_cells(sighting)
        if sighting.pixels is None:
            yield _Row(cells)
        elif crop == "no":
            face = measure_photo(sighting.pixels) if measured else None
            yield _Row({**cells, "face_id": 0}, Image.fromarray(sighting.pixels), measured=face)
        else:
            yield from _found(sighting, cells, crop, measured)


def _found(sighting: Sighting, cells: dict[str, Any], crop: str, measured: bool) -> Iterator[_Row]:
    try:
        faces = find_faces(sighting.pixels, crop)
    except InputError as error:
        if isinstance(error, ImportError):
            raise
        yield _Row({**cells, "unread": str(error)})
        return
    if not faces:
        yield _Row({**cells, "unread": NOBODY})
    for number, face in enumerate(faces):
        known = {**cells, "face_id": number, **face_cells(face, sighting.scale)}
        by_landmarks = measure_crop(face) if measured else None
        yield _Row(known, Image.fromarray(face.pixels), number == 0, by_landmarks)


def _seen(describer: Describer | ServedDescriber, rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    """Batches of rows with what the model sees; the next one is prepared while the model answers."""

    def next_batch() -> list[_Row]:
        batch = list(islice(rows, describer.batch_size))
        able = [row for row in batch if row.picture is not None]
        for row, face in zip(able, describer.prepare_faces([row.picture for row in able]) if able else [], strict=True):
            row.seen = face
        return batch

    return one_ahead(next_batch)


def _answered(describer: Describer | ServedDescriber, batch: Sequence[_Row], request: Request) -> list[dict[str, Any]]:
    able = [row.seen for row in batch if row.seen is not None]
    answers = iter(answers_about(describer, able, request))
    return [row.cells if row.seen is None else _answered_cells(row, next(answers), request) for row in batch]


def _answered_cells(row: _Row, answers: Sequence[dict[str, Any]], request: Request) -> dict[str, Any]:
    evidence = evidence_cells(answers, row.measured) if request.with_evidence else {}
    return {**row.cells, **evidence, **answer_cells(answers)}


def answered_rows(
    describer: Describer, files: Sequence[Path], request: Request, selection: FaceSelection
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of some files as they go into a table, a batch of faces after the other."""
    for batch in _seen(describer, _rows(see_files(files, selection.fps), selection.crop, request.with_evidence)):
        yield _answered(describer, batch, request)


def summary_of(rows: CsvRows) -> Summary:
    """Say what a table holds."""
    faces, unread = 0, []
    for row in rows:
        if not row["unread"]:
            faces += 1
            continue
        at = f" at {float(row['timestamp']):.2f} s" if row["timestamp"] else ""
        unread.append((row["input"] + at, row["unread"]))
    return Summary(faces, unread)
