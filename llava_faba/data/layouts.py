"""Labelled data sets as they are released -> one list of labelled pictures.

Each reader takes a data set's root and returns a `Layout`: labelled pictures, and what was left out, with reasons.
None of these data sets is shipped.
"""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from llava_faba.errors import InputError, MissingFileError
from llava_faba.face.images import SUFFIXES
from llava_faba.files import existing_file, path_inside
from llava_faba.vocabulary import EMOTIONS

BP4D_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
DISFA_AUS = (1, 2, 4, 6, 9, 12, 25, 26)
GFT_AUS = (1, 2, 4, 6, 10, 12, 14, 15, 23, 24)
DISFA_ACTIVE = 2  # intensity, 0 to 5, from which an AU counts as active (supplement D.1)
RAF_DB_EMOTIONS = ("Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral")  # its labels 1 to 7
ADJECTIVES = {"happy": "Happiness", "sad": "Sadness", "surprised": "Surprise", "angry": "Anger", "disgusted": "Disgust"}
SPELLINGS = {name.lower(): name for name in EMOTIONS} | ADJECTIVES | {"afraid": "Fear", "fearful": "Fear"}

# Three subject-exclusive folds, as the AU papers that EmoLA follows use them; fold k is evaluated on the k-th group:
# https://github.com/CVI-SZU/ME-GraphAU/blob/d5581006cee3505a9941e998ac77356de21fe852/tool/BP4D_image_label_process.py
BP4D_FOLDS = (
    "F007 F015 F006 F019 M006 M009 F012 M003 F004 F021 F017 M015 F014".split(),
    "M011 F003 M010 M002 F005 F022 M018 M017 F013 M016 F020 F011 M013 M005".split(),
    "F001 M007 F018 F008 F002 M004 F010 F009 M012 M001 F016 M014 F023 M008".split(),
)
# .../68fb2799bc3141c2236df07fd0e3ae21b2193db2/tool/DISFA_image_label_process.py
DISFA_FOLDS = (
    "SN003 SN029 SN023 SN025 SN008 SN005 SN007 SN017 SN004".split(),
    "SN013 SN018 SN011 SN028 SN012 SN006 SN031 SN021 SN024".split(),
    "SN002 SN010 SN001 SN026 SN027 SN032 SN030 SN009 SN016".split(),
)


@dataclass(frozen=True)
class Labelled:
    """One labelled picture."""

    image: str  # relative to the image root
    label: str | tuple[int, ...]  # an emotion, or the active AUs
    part: str = ""  # "train" or "eval"; "" where folds decide
    subject: str = ""


@dataclass
class Layout:
    """What a reader found."""

    image_root: Path
    faces: list[Labelled] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)  # {"image", "reason"}

    def leave_out(self, image: str, reason: str) -> None:
        self.left_out.append({"image": image, "reason": reason})


def read_raf_db(root: Path) -> Layout:
    """Read RAF-DB's single-label part: EmoLabel/list_patition_label.txt and Image/aligned/, its own division."""
    base = next((folder for folder in (root, root / "basic") if (folder / "EmoLabel").is_dir()), root)
    listing = next(
        iter(sorted(base.glob("EmoLabel/list_pa*tition_label.txt"))), base / "EmoLabel/list_patition_label.txt"
    )
    lines = text_lines(listing, "RAF-DB list")
    layout = Layout(root)
    for number, line in enumerate(filter(None, map(str.strip, lines)), start=1):
        fields = line.split()
        if len(fields) != 2 or fields[1] not in set("1234567") or not fields[0].startswith(("train_", "test_")):
            raise InputError(
                f"Line {number} of {listing} is {line!r}.",
                "RAF-DB's list has lines like `train_00001.jpg 5`, with labels from 1 to 7.",
                "Give the list as it was released.",
            )
        image = base.relative_to(root) / "Image" / "aligned" / f"{Path(fields[0]).stem}_aligned.jpg"
        part = "train" if fields[0].startswith("train_") else "eval"
        add_face(layout, image.as_posix(), RAF_DB_EMOTIONS[int(fields[1]) - 1], part)
    return layout


def read_bp4d(root: Path, images: Path | None) -> Layout:
    """Read BP4D: AUCoding/AU_OCC/F001_T1.csv and the frames of each subject and task, F001/T1/2440.jpg."""
    layout = Layout(images or _folder(root, "frames", "2D+3D", "Sequences(2D+3D)", "Sequences", "img", "."))
    for path in _files(_folder(root, "AU codes", "AUCoding/AU_OCC", "AU_OCC", "AUCoding"), "[FM][0-9]*_T*.csv"):
        subject, task = path.stem.split("_")[:2]
        pictures = _pictures(layout.image_root, f"{subject}/{task}")
        for frame, codes in _coded_frames(path):
            _add_frame(layout, pictures, f"{subject}/{task}/{frame}", frame, subject, codes, BP4D_AUS)
    return layout


def read_disfa(root: Path, images: Path | None) -> Layout:
    """Read DISFA: ActionUnit_Labels/SN001/SN001_au1.txt with lines `frame,intensity`, and frames img/SN001/0.png.

    Labels count frames from 1; pictures that count from 0, as the tools that cut the videos write them, are recognised.
    """
    layout = Layout(images or _folder(root, "frames", "img", "Images", "images", "."))
    labels = _folder(root, "AU labels", "ActionUnit_Labels", "ActionUnit_Labels/ActionUnit_Labels")
    for folder in sorted(path for path in labels.iterdir() if re.fullmatch(r"SN\d+", path.name)):
        subject = folder.name
        pictures = _pictures(layout.image_root, subject)
        shift = 1 if pictures and min(pictures) == 0 else 0
        frames: dict[int, dict[int, str]] = {}
        for au in DISFA_AUS:
            path = folder / f"{subject}_au{au}.txt"
            lines = filter(None, map(str.strip, text_lines(path, f"DISFA label file of AU{au}")))
            for number, line in enumerate(lines, start=1):
                if not re.fullmatch(r"\d+\s*,\s*[0-5]", line):
                    raise InputError(
                        f"Line {number} of {path} is {line!r}.",
                        "DISFA's label files have lines `frame,intensity` with intensities from 0 to 5.",
                        "Give the files as they were released.",
                    )
                frame, intensity = (int(part) for part in line.split(","))
                frames.setdefault(frame, {})[au] = str(int(intensity >= DISFA_ACTIVE))
        for frame, codes in sorted(frames.items()):
            _add_frame(layout, pictures, f"{subject}/{frame - shift}", frame - shift, subject, codes, DISFA_AUS)
    return layout


def read_gft(root: Path, images: Path | None, test_subjects: set[str] | None) -> Layout:
    """Read GFT: one CSV of coded frames a participant (001A.csv; a frame column, AU columns), its own division.

    The CSVs lie in folders named train... and test..., or the test participants are given; frames lie in a folder a
    participant.
    """
    layout = Layout(images or _folder(root, "frames", "frames", "images", "img", "."))
    for path in _files(root, "**/[0-9][0-9][0-9][A-Z]*.csv"):
        subject = path.stem[:4]
        folders = " ".join(part.lower() for part in path.relative_to(root).parts[:-1])
        if test_subjects is not None:
            part = "eval" if subject in test_subjects else "train"
        elif ("test" in folders) != ("train" in folders):
            part = "eval" if "test" in folders else "train"
        else:
            raise InputError(
                f"GFT's participant {subject} ({path}) is in neither a train nor a test folder.",
                "The data set's own division must be known: 78 participants to train on, 18 to test on.",
                "Lay the CSV files into the folders train/ and test/, or name the participants with --test-subjects.",
            )
        pictures = _pictures(layout.image_root, subject)
        for frame, codes in _coded_frames(path):
            _add_frame(layout, pictures, f"{subject}/{frame}", frame, subject, codes, GFT_AUS, part)
    return layout


def text_lines(path: Path, what: str) -> list[str]:
    """Read a text file's lines; `what` names its role in errors."""
    try:
        return existing_file(path, what, "Give the data set's root folder.").read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(
            f"The {what} {path} is no text in UTF-8: {error}.",
            "Label files are plain text.",
            "Save it as UTF-8, or give another file.",
        ) from error


def add_face(
    layout: Layout, image: str, label: str | tuple[int, ...], part: str, folder: Path | None = None, subject: str = ""
) -> None:
    """Add a labelled picture, or leave it out where it does not exist; `image` is relative to `folder`.

    `folder` is the layout's image root by default, else a folder below it.
    """
    folder = folder or layout.image_root
    path = path_inside(folder, image, image)
    if path.is_file():
        below = os.path.relpath(folder, layout.image_root)
        layout.faces.append(
            Labelled(os.path.normpath(os.path.join(below, image)) if below != "." else image, label, part, subject)
        )
    else:
        layout.leave_out(image, "the picture does not exist")


def _add_frame(
    layout: Layout,
    pictures: dict[int, str],
    name: str,
    frame: int,
    subject: str,
    codes: dict[int, str],
    aus: tuple[int, ...],
    part: str = "",
) -> None:
    label = active_aus({au: codes.get(au) for au in aus})
    if label is None:
        layout.leave_out(name, "an evaluated AU is not coded in this frame")
    elif frame not in pictures:
        layout.leave_out(name, "the picture does not exist")
    else:
        layout.faces.append(Labelled(pictures[frame], label, part, subject))


def _coded_frames(path: Path) -> Iterator[tuple[int, dict[int, str]]]:
    """The frames of a CSV whose first column is the frame and whose header names AUs: 1, AU1, AU01."""
    rows = list(csv.reader(text_lines(path, "AU code file")))
    header = [re.fullmatch(r"(?:AU)?0*(\d+)", name.strip(), re.IGNORECASE) for name in rows[0][1:]] if rows else []
    if not any(header):
        raise InputError(
            f"The first line of {path} names no AU.",
            "An AU code file has the frame in its first column and one column an AU, named 1 or AU1.",
            "Give the files as they were released.",
        )
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if not row[0].strip().isdigit():
            raise InputError(
                f"Line {number} of {path} begins with {row[0]!r}.",
                "Its first column is the number of a frame.",
                "Give the files as they were released.",
            )
        yield int(row[0]), {int(au[1]): code.strip() for au, code in zip(header, row[1:], strict=False) if au}


def active_aus(codes: dict[int, str | None]) -> tuple[int, ...] | None:
    """The AUs that are coded 1; None when one is coded as neither 0 nor 1 (BP4D: 9)."""
    if any(code not in ("0", "1", "0.0", "1.0") for code in codes.values()):
        return None
    return tuple(au for au, code in codes.items() if float(code or 0) == 1)


def _folder(root: Path, what: str, *candidates: str) -> Path:
    for candidate in candidates:
        if (root / candidate).is_dir():
            return root / candidate
    raise MissingFileError(
        f"There is no folder of {what} in {root}.",
        f"It is called {' or '.join(candidates)} in the release.",
        "Give the data set's root folder, and --images when its frames lie elsewhere.",
    )


def _files(folder: Path, pattern: str) -> list[Path]:
    files = sorted(folder.glob(pattern))
    if not files:
        raise MissingFileError(
            f"There is no file {pattern} in {folder}.",
            "The label files keep the names they were released with.",
            "Give the data set's root folder.",
        )
    return files


def _pictures(root: Path, folder: str) -> dict[int, str]:
    """The frames of a folder by the number their names end with, which releases pad to different widths."""
    pictures: dict[int, str] = {}
    for path in sorted((root / folder).iterdir()) if (root / folder).is_dir() else ():
        number = re.search(r"(\d+)$", path.stem)
        if number and path.suffix.lower() in SUFFIXES:
            pictures.setdefault(int(number[1]), f"{folder}/{path.name}")
    return pictures
