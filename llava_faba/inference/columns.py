"""The columns of a table of faces, and a row's cells: where it is from, its face, what is said and measured of it."""

import re
from collections.abc import Sequence
from typing import Any

from llava_faba.evidence.photo import check_photo
from llava_faba.evidence.verdict import CONTRADICTED, SUPPORTED
from llava_faba.face.crop import FaceCrop
from llava_faba.face.measures import REGION, SIDED, SIDES, MeasuredFace
from llava_faba.face.quality import LIMITS
from llava_faba.inference.inputs import Sighting
from llava_faba.vocabulary import EMOTIONS, FABA_AUS, NO_FACE

WHERE = ("input", "frame", "timestamp", "face_id")
BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")
POSE = ("Pitch", "Roll", "Yaw")
AU_COLUMNS = {au: f"AU{au:02d}" for au in FABA_AUS}
RECOGNISED = {"emotion": ("emotion",), "au": tuple(AU_COLUMNS.values())}
SHARES = {
    "emotion": {emotion: f"p_{emotion.lower()}" for emotion in EMOTIONS},
    "au": {f"AU{au}": f"p_{column}" for au, column in AU_COLUMNS.items()},
}
_ABOUT_AUS = re.compile(r"(?<![a-z])aus?(?![a-z])|action\s+unit", re.IGNORECASE)
QUALITY = ("interocular_px", "sharpness", *(f"{region}_valid" for region in LIMITS))
MEASURES = (*REGION, *(f"{name}_{side}" for name in SIDED for side in SIDES))
VERDICTS = {"supported": SUPPORTED, "contradicted": CONTRADICTED}


def columns(tasks: Sequence[str], with_probabilities: bool, with_evidence: bool = False) -> tuple[str, ...]:
    """Return the names of the table's columns, in their order."""
    recognised = [name for task in tasks for name in RECOGNISED[task]]
    shares = [name for task in tasks for name in SHARES[task].values()] if with_probabilities else []
    answers = [f"answer_{task}" for task in tasks]
    evidence = [*MEASURES, *(f"{verdict}_{task}" for task in tasks for verdict in VERDICTS)] if with_evidence else []
    return (*WHERE, *BOX, *POSE, *recognised, *shares, *QUALITY, *evidence, *answers, "unread")


def where_cells(sighting: Sighting) -> dict[str, Any]:
    """Return the cells that say which picture a row is about, and why it shows no face if it does not."""
    return {
        "input": sighting.name,
        "frame": sighting.frame,
        "timestamp": None if sighting.time is None else round(sighting.time, 6),
        "unread": sighting.reason or None,
    }


def face_cells(face: FaceCrop, scale: float) -> dict[str, Any]:
    """Return the cells of a found face: box and pose, size and quality; `scale` is that of its sighting."""
    box, quality = face.box, face.quality
    edges = (box.left, box.top, box.right - box.left, box.bottom - box.top)
    cells = dict(zip(BOX, (*(round(edge * scale, 2) for edge in edges), round(face.score, 4)), strict=True))
    return {
        **cells,
        **{angle: round(getattr(quality, angle.lower()), 2) for angle in POSE},
        "interocular_px": round(quality.interocular_px * scale, 2),
        "sharpness": round(quality.sharpness, 4),
        **{f"{region}_valid": int(valid) for region, valid in quality.valid.items()},
    }


def answer_cells(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the cells of a face's answers, one a task; empty where nothing is recognised.

    AUs are 1 where the answer affirms them, else 0; an answer that does not speak of AUs at all says nothing.
    """
    cells: dict[str, Any] = {}
    for answer in answers:
        task, found = answer["task"], answer["recognised"]
        cells[f"answer_{task}"] = answer["answer"]
        if answer["answer"] is None:
            cells["unread"] = NO_FACE
        elif task == "emotion":
            cells["emotion"] = found
        elif found or _ABOUT_AUS.search(answer["answer"]):
            cells |= {column: int(au in found) for au, column in AU_COLUMNS.items()}
        for name, share in (answer.get("probabilities") or {}).items():
            cells[SHARES[task][name]] = round(share, 4)
    return cells


def evidence_cells(answers: Sequence[dict[str, Any]], face: MeasuredFace | None) -> dict[str, Any]:
    """Return the cells of a face's measures, in inter-ocular distances, and of the sentences that they judge.

    For each task the number of sentences that the measures support, and that they contradict; see `check_photo`.
    """
    values = {} if face is None else face.values
    cells = {name: None if values.get(name) is None else round(values[name], 4) for name in MEASURES}
    for answer in answers:
        if answer["answer"] is None:
            continue
        found = [sentence["verdict"] for sentence in check_photo(answer["answer"], face)["sentences"]]
        cells |= {f"{name}_{answer['task']}": found.count(verdict) for name, verdict in VERDICTS.items()}
    return cells
