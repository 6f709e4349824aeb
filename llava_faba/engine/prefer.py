"""Several answers a face -> preference pairs: the one that landmarks and labels support, and one they contradict.

Pairs are in TRL's layout for pictures, `images, prompt, chosen, rejected` (https://huggingface.co/docs/trl/dataset_formats),
with what the reward functions need (`label, task, measured`) and why one was chosen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llava_faba.engine import rewards
from llava_faba.engine.readings import Label, label_name, read_label, read_text
from llava_faba.errors import InputError
from llava_faba.face.images import read_pixels
from llava_faba.face.measures import MeasuredFace, measure_photo
from llava_faba.files import existing_file, path_inside, read_json_lines

MARGIN = 0.5  # points of the score below, by which the chosen answer must be better


def read_candidates(paths: Sequence[Path]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Read answers as `annotate` and `describe` write them; return them by image and task, equal texts once."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in paths:
        for number, line in enumerate(read_json_lines(existing_file(path, "file of answers")), start=1):
            if not {"image", "task", "question", "answer"} <= line.keys() or line["task"] not in ("emotion", "au"):
                raise InputError(
                    f"{path}, line {number}, lacks image, task, question or answer.",
                    "Answers are those that `annotate` and `describe --data` write.",
                    "Give such files.",
                )
            own = found.setdefault((line["image"], line["task"]), [])
            if line["answer"] and line["answer"] not in [one["answer"] for one in own]:
                own.append({**line, "file": str(path)})
    return found


def make_pairs(
    candidates: Mapping[tuple[str, str], Sequence[dict[str, Any]]],
    image_root: Path,
    margin: float = MARGIN,
    labels: Mapping[str, Label] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the preference pairs and how many faces gave none, by reason.

    An answer's score is its label reward (0 to 1, where the label is known), its evidence (-1 to 1) and its format
    (0 or 1), added up. The chosen one has the best score and is itself neither contradicted nor unusable; the rejected
    one has the worst, by `margin` or more.
    """
    pairs, none = [], Counter()
    for (image, task), answers in tqdm(candidates.items(), desc="prefer", unit="face", disable=None):
        if len(answers) < 2:
            none["one answer only"] += 1
            continue
        face = measure_photo(read_pixels(path_inside(image_root, image, image)))
        known = (labels or {}).get(image, _own_label(answers, task))
        scored = [score_answer(answer["answer"], task, face, known) for answer in answers]
        order = sorted(range(len(answers)), key=lambda k: -scored[k]["score"])
        best, worst = order[0], order[-1]
        if scored[best]["format"] < 1 or scored[best]["evidence"] < 0 or scored[best]["label"] == 0:
            none["no answer is supported"] += 1
        elif scored[best]["score"] - scored[worst]["score"] < margin:
            none["the answers are as good as each other"] += 1
        else:
            pairs.append(_pair(image, task, answers, scored, (best, worst), known, face))
    return pairs, dict(none)


def score_answer(text: str, task: str, face: MeasuredFace | None, label: Label | None) -> dict[str, Any]:
    """Return an answer's rewards, and their sum as `score`; `label` is None where no label is known."""
    found = {"label": None, "evidence": rewards.evidence([text], measured=[face])[0]}
    if label is not None:
        match = rewards.label_match if task == "emotion" else rewards.au_f1
        found["label"] = match([text], label=[label_name(label)])[0]
    found["format"] = rewards.answer_format([text], task=task)[0]
    return {**found, "score": round(sum(value for value in found.values() if value is not None), 4)}


def _own_label(answers: Sequence[dict[str, Any]], task: str) -> Label | None:
    written = next((str(one["label"]) for one in answers if one.get("label") not in (None, "")), None)
    return None if written is None else read_label(written, task, "An answer")


def _pair(
    image: str,
    task: str,
    answers: Sequence[dict[str, Any]],
    scored: Sequence[dict[str, Any]],
    places: tuple[int, int],
    label: Label | None,
    face: MeasuredFace | None,
) -> dict[str, Any]:
    chosen, rejected = (answers[place] for place in places)
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": chosen["question"]}]}
    return {
        "images": [image],
        "prompt": [question],
        **{
            name: [{"role": "assistant", "content": [{"type": "text", "text": one["answer"]}]}]
            for name, one in (("chosen", chosen), ("rejected", rejected))
        },
        "task": task,
        "label": None if label is None else label_name(label),
        "measured": rewards.measured_column(face),
        "scores": {"chosen": scored[places[0]], "rejected": scored[places[1]]},
        "read": {
            "chosen": label_name(read_text(chosen["answer"], task)),
            "rejected": label_name(read_text(rejected["answer"], task)),
        },
    }
