"""Drawn samples -> a sheet that a person fills in, and a filled-in sheet -> that person's labels.

An HTML sheet is one file: pictures inside, nothing fetched, filled in by keyboard, saved as CSV by the browser. A CSV
sheet is filled in with any program. Both have the columns COLUMNS; the model's label is in neither, so that it does
not sway the person (in the HTML sheet the model's text can be shown).
"""

import base64
import csv
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llava_faba.engine.readings import Label, read_label
from llava_faba.errors import InputError
from llava_faba.files import existing_file, write_atomically
from llava_faba.vocabulary import AU_NAMES, EMOTIONS, FABA_AUS

COLUMNS = ("id", "image", "task", "answer_sha256", "weight", "label", "note")
UNCLEAR = "unclear"  # what a person writes who cannot tell
MIME = {".png": "png", ".webp": "webp", ".gif": "gif", ".bmp": "bmp"}
AU_KEYS = "abcdefghijklmopqrtvy"  # one for each of FABA_AUS, without n, s, u and w, which do something else


@dataclass(frozen=True)
class Row:
    """One sample to look at."""

    id: str
    image: str
    task: str
    answer_sha256: str  # of the text, so that a sheet is not held against a later text
    weight: float  # samples of the file that this one stands for
    text: str
    picture: Path


@dataclass(frozen=True)
class Judged:
    """What a person says of one sample; label None: unclear."""

    id: str
    task: str
    answer_sha256: str
    weight: float
    label: Label | None


def write_sheet(rows: Sequence[Row], out: Path) -> Path:
    """Write a sheet as .html or .csv, as the name of `out` ends; raises InputError for another ending."""
    if out.suffix.lower() == ".csv":
        return write_atomically(out, csv_text([_cells(row) for row in rows]))
    if out.suffix.lower() in (".html", ".htm"):
        return write_atomically(out, _page(rows, out.stem))
    raise InputError(f"The sheet is {out}.", "It ends in .html or .csv.", "Name it so with --sheet.")


def read_sheet(path: Path) -> tuple[list[Judged], int]:
    """Read a filled-in sheet (CSV); return its judged samples and how many rows were left empty."""
    with open(existing_file(path, "sheet"), newline="", encoding="utf-8-sig") as file:
        try:
            rows = list(csv.DictReader(file, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise _no_sheet(path, f"is no CSV in UTF-8: {error}") from error
    if not rows or not set(COLUMNS[:6]) <= rows[0].keys():
        raise _no_sheet(path, "lacks columns")
    judged, empty, seen = [], 0, set()
    for number, row in enumerate(rows, start=2):
        place, written = f"{path}, row {number},", (row["label"] or "").strip()
        try:
            weight = float(row["weight"])
        except (TypeError, ValueError) as error:
            raise _no_sheet(path, f"has the weight {row['weight']!r} in row {number}") from error
        if row["id"] in seen or row["task"] not in ("emotion", "au") or not 0 < weight < float("inf"):
            raise _no_sheet(path, f"has a row {number} that is there twice, or without a task or a weight")
        seen.add(row["id"])
        if not written:
            empty += 1
            continue
        label = None if written.lower() == UNCLEAR else read_label(written, row["task"], place)
        judged.append(Judged(row["id"], row["task"], row["answer_sha256"], weight, label))
    return judged, empty


def csv_text(rows: Sequence[Sequence[Any]]) -> str:
    """Return rows under COLUMNS as CSV."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([COLUMNS, *rows])
    return buffer.getvalue()


def picture_url(path: Path) -> str:
    """Return a picture file as a data URL."""
    kind = MIME.get(path.suffix.lower(), "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(existing_file(path, 'image').read_bytes()).decode()}"


def choices(task: str) -> list[dict[str, str]]:
    """Return what can be chosen: its key on the keyboard, its value in the CSV and its words."""
    if task == "emotion":
        return [{"key": str(n), "value": name, "words": name} for n, name in enumerate(EMOTIONS, start=1)]
    named = zip(AU_KEYS, FABA_AUS, strict=True)
    return [{"key": key, "value": str(au), "words": f"AU{au} {AU_NAMES[au]}"} for key, au in named]


def _cells(row: Row) -> list[Any]:
    return [row.id, row.image, row.task, row.answer_sha256, round(row.weight, 6), "", ""]


def _no_sheet(path: Path, problem: str) -> InputError:
    return InputError(
        f"The sheet {path} {problem}.",
        f"A filled-in sheet has the columns {', '.join(COLUMNS)}, and a row a sample.",
        "Save the sheet anew from the browser (key s), or fill in the CSV that `audit --sheet` wrote.",
    )


def _page(rows: Sequence[Row], name: str) -> str:
    samples = [{"cells": _cells(row), "picture": picture_url(row.picture), "text": row.text} for row in rows]
    data = {"columns": COLUMNS, "samples": samples, "choices": {task: choices(task) for task in ("emotion", "au")}}
    data |= {"name": name, "unclear": UNCLEAR}
    script = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    page = Path(__file__).with_name("sheet.html").read_text()
    return page.replace("TITLE", html.escape(name), 1).replace("/*DATA*/null", script, 1)
