"""Faces and their paid answers -> a FABA-Instruct file with provenance, and the lists of what a person should see.

DATA.json holds each face once, with its best usable answer; beside it, in DATA_annotation/, lie answers.jsonl (all
usable answers), doubtful.jsonl (the least certain first) and left_out.jsonl (each with the rule that left it out).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llava_faba.data.fabainstruct import IMAGE_MARK
from llava_faba.engine.annotate import Settings
from llava_faba.engine.checks import DOUBTFUL, Checks, check_answer
from llava_faba.engine.faces import Face
from llava_faba.engine.filters import unusable
from llava_faba.engine.readings import Label, label_name
from llava_faba.files import write_atomically, write_json

ANSWERS, DOUBTS, LEFT_OUT, RECORD = "answers.jsonl", "doubtful.jsonl", "left_out.jsonl", "annotate.json"


def work_folder(out: Path) -> Path:
    """Return the folder of a run's journal, crops and lists, beside its DATA.json."""
    return out.with_name(f"{out.stem}_annotation")


def write_dataset(
    out: Path,
    faces: Sequence[Face],
    answers: Mapping[str, Sequence[dict[str, Any]]],
    settings: Settings,
    endpoint: str,
    left_out: Sequence[dict[str, str]] = (),
    labels: Mapping[str, Label] | None = None,
    others: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Write DATA.json and its lists; return counts: kept, doubtful, left out by rule, agreement between answers.

    `labels` are known ones by image; `others` are other models' answers by image, for agreement.
    """
    kept, lines, dropped, agreements = [], [], list(left_out), []
    for face in faces:
        own = answers.get(face.image, ())
        judged = [(answer, unusable(answer["text"], settings.task, answer["finish"])) for answer in own]
        usable = [answer for answer, rule in judged if rule is None]
        if own and not usable:
            dropped.append({"image": face.image, "rule": str(judged[0][1]), "answer": own[0]["text"]})
        checked = []
        for answer in usable:
            texts = [one["text"] for one in usable if one is not answer] + list((others or {}).get(face.image, ()))
            label = (labels or {}).get(face.image)
            checked.append((answer, check_answer(answer["text"], settings.task, face.measured, texts, label)))
        lines += [_line(face, answer, checks, settings, labels) for answer, checks in checked]
        agreements += [checks.agreement for _, checks in checked if checks.agreement is not None]
        if checked:
            kept.append(_entry(face, *max(checked, key=lambda pair: pair[1].confidence), settings, endpoint))
    doubts = sorted((entry for entry in kept if entry["confidence"] < DOUBTFUL), key=lambda entry: entry["confidence"])
    work = work_folder(out)
    if kept:
        write_json(out, kept)
    _write_lines(work / ANSWERS, lines)
    _write_lines(
        work / DOUBTS, [{key: entry[key] for key in ("id", "image", "confidence", "checks")} for entry in doubts]
    )
    _write_lines(work / LEFT_OUT, dropped)
    return {
        "kept": len(kept),
        "doubtful": len(doubts),
        "left_out": dict(Counter(one["rule"] for one in dropped).most_common()),
        "agreement": round(sum(agreements) / len(agreements), 4) if agreements else None,
    }


def _entry(face: Face, answer: dict[str, Any], checks: Checks, settings: Settings, endpoint: str) -> dict[str, Any]:
    provenance = {key: answer[key] for key in ("model", "date", "prompt_id", "crop_sha256")}
    provenance |= {"task": settings.task, "asked_model": settings.model, "endpoint": endpoint, "seed": settings.seed}
    provenance |= {"request": answer["request"], "usage": answer["usage"]}
    return {
        "source": f"annotate:{answer['model']}",
        "image": face.image,
        "id": face.image,
        "conversations": [
            {"from": "human", "value": f"{answer['question']}\n{IMAGE_MARK}"},
            {"from": "gpt", "value": answer["text"]},
        ],
        "confidence": checks.confidence,
        "checks": checks.record(),
        "provenance": provenance,
    }


def _line(
    face: Face, answer: dict[str, Any], checks: Checks, settings: Settings, labels: Mapping[str, Label] | None
) -> dict[str, Any]:
    known = (labels or {}).get(face.image)
    return {
        "id": face.image,
        "image": face.image,
        "task": settings.task,
        "question": answer["question"],
        "answer": answer["text"],
        "reference": "",
        "label": label_name(known),
        "sample": answer["sample"],
        "model": answer["model"],
        "confidence": checks.confidence,
        "checks": checks.record(),
    }


def _write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    write_atomically(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
