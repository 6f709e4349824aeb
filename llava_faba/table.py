"""Pictures and clips -> a tidy table, a row a face, on disk as soon as it is there.

A run that was stopped goes on where it was and ends with the bytes of one that was not: rows are answered in batches of
consecutive ones, and a run goes on at the beginning of the batch in which it stopped, so that each face is answered
beside the same others. `OUT.csv.run.json` says what made the table; another run in the same place is refused.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from llava_faba.answering import claim, model_record
from llava_faba.columns import answer_cells, columns, face_cells, where_cells
from llava_faba.crop import default_detector, find_faces
from llava_faba.describer import Describer, Face
from llava_faba.errors import InputError
from llava_faba.files import CsvRows
from llava_faba.photo import Asking, answers_about
from llava_faba.sightings import Sighting, estimate_sightings, name_of, see_files

NOBODY = "no face was found"


@dataclass(frozen=True)
class Looking:
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
    seen: Face | None = None


def table_record(
    describer: Describer,
    model_path: str | Path,
    model_base: str | Path | None,
    files: Sequence[Path],
    asked: Asking,
    looking: Looking,
) -> dict[str, Any]:
    """Say what makes a table: two runs with the same record, over files of the same names and sizes, give the same."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{name_of(file)}\0{file.stat().st_size}\0".encode())
    return {
        **model_record(describer, model_path, model_base),
        "tasks": list(asked.tasks),
        "questions": list(asked.questions),
        "max_new_tokens": asked.max_new_tokens,
        "probabilities": asked.with_probabilities,
        "crop": looking.crop,
        "detector": None if looking.crop == "no" else default_detector().version,
        "fps": looking.fps,
        "files": len(files),
        "files_sha256": digest.hexdigest(),
    }


def write_table(
    describer: Describer, files: Sequence[Path], asked: Asking, looking: Looking, out: Path, record: dict[str, Any]
) -> Summary:
    """Append the rows that `out` lacks, in the order of the files, their frames and the size of their faces.

    `record` identifies the run. Raises InputError when `out` holds another one. What cannot be read becomes a row that
    says so.
    """
    claim(out, record, "--csv")
    with CsvRows(out, columns(asked.tasks, asked.with_probabilities)) as rows:
        there = [(row["input"], row["frame"]) for row in rows]
        begin = len(there) - len(there) % describer.batch_size
        surplus = len(there) - begin  # answered again beside the rest of their batch, but written already
        pending = _seen(describer, _rows_after(there[:begin], files, looking))
        total = sum(estimate_sightings(file, looking.fps) for file in files)
        with tqdm(total=total, initial=len(set(there[:begin])), unit="picture") as bar:
            for batch in pending:
                rows.append(_answered(describer, batch, asked)[surplus:])
                surplus = 0
                done = sum(row.first_of_sighting for row in batch)
                bar.total = max(bar.total, bar.n + done)  # a header may promise too little
                bar.update(done)
            bar.total = bar.n
        return _summary(rows)


def _rows_after(there: Sequence[tuple[str, str]], files: Sequence[Path], looking: Looking) -> Iterator[_Row]:
    """The rows that follow those that are there, given as (input, frame); files are not read again for what is done."""
    if not there:
        return _rows(see_files(files, looking.fps), looking.crop)
    name, frame = there[-1]
    at = next(number for number, file in enumerate(files) if name_of(file) == name)
    if not frame:  # the clip's end could not be read: nothing of it is left
        return _rows(see_files(files[at + 1 :], looking.fps), looking.crop)
    same = sum(1 for row in there if row == there[-1])
    return islice(_rows(see_files(files[at:], looking.fps, int(frame)), looking.crop), same, None)


def _rows(sightings: Iterator[Sighting], crop: str) -> Iterator[_Row]:
    for sighting in sightings:
        cells = where_cells(sighting)
        if sighting.pixels is None:
            yield _Row(cells)
        elif crop == "no":
            yield _Row({**cells, "face_id": 0}, Image.fromarray(sighting.pixels))
        else:
            yield from _found(sighting, cells, crop)


def _found(sighting: Sighting, cells: dict[str, Any], crop: str) -> Iterator[_Row]:
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
        yield _Row(known, Image.fromarray(face.pixels), first_of_sighting=number == 0)


def _seen(describer: Describer, rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    """Batches of rows with what the model sees; the next one is prepared while the model answers."""

    def next_batch() -> list[_Row]:
        batch = list(islice(rows, describer.batch_size))
        able = [row for row in batch if row.picture is not None]
        for row, face in zip(able, describer.see([row.picture for row in able]) if able else [], strict=True):
            row.seen = face
        return batch

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(next_batch)
        while batch := ahead.result():
            ahead = pool.submit(next_batch)
            yield batch


def _answered(describer: Describer, batch: Sequence[_Row], asked: Asking) -> list[dict[str, Any]]:
    able = [row.seen for row in batch if row.seen is not None]
    answers = iter(answers_about(describer, able, asked))
    return [row.cells if row.seen is None else {**row.cells, **answer_cells(next(answers))} for row in batch]


def _summary(rows: CsvRows) -> Summary:
    faces, unread = 0, []
    for row in rows:
        if not row["unread"]:
            faces += 1
            continue
        at = f" at {float(row['timestamp']):.2f} s" if row["timestamp"] else ""
        unread.append((row["input"] + at, row["unread"]))
    return Summary(faces, unread)
