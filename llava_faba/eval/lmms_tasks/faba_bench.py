"""FABA-Bench as tasks of lmms-eval, scored by llava-faba's own rules: any model that lmms-eval runs can be compared.

    FABA_EMOTION=eval_emotion.json FABA_AU=eval_au.json FABA_IMAGES=images python -m lmms_eval \
        --include_path "$(python -c 'import llava_faba.eval as e; print(e.__path__[0])')/lmms_tasks" \
        --model llava --model_args pretrained=MODEL,device_map=auto --tasks faba_bench \
        --log_samples --output_path runs/lmms

FABA_IMAGES is the folder of the images; FABA_RULES (default: emola) and FABA_DATASET (default: faba) are `score`'s
--rules and --dataset. The sample files that --log_samples writes are read by `llava-faba score`.
"""

import os
from pathlib import Path
from typing import Any

from llava_faba.data.fabainstruct import Task, read_evaluation
from llava_faba.data.prompts import QUESTIONS
from llava_faba.errors import InputError

Document = dict[str, Any]


def emotion_samples(dataset: Any) -> Any:
    """Return the samples of FABA_EMOTION in place of the empty data set that the task file names."""
    return _samples("emotion")


def au_samples(dataset: Any) -> Any:
    """Return the samples of FABA_AU in place of the empty data set that the task file names."""
    return _samples("au")


def picture(document: Document) -> list[Any]:
    """Open a sample's picture, upright, as `describe` does."""
    from llava_faba.face.images import read_image

    return [read_image(document["path"])]


def question(document: Document, settings: Any = None) -> str:
    """Return the question that EmoLA's checkpoints were evaluated with."""
    return document["question"]


def reference(document: Document) -> str:
    """Return the reference text that S_ge compares with."""
    return document["reference"]


def keep(document: Document, results: list[str]) -> dict[str, Document]:
    """Put the answer beside its sample; the scores are those of all samples together."""
    kept = {key: document[key] for key in ("id", "image", "task", "question", "label", "reference")}
    answered = {**kept, "answer": results[0].strip()}
    return {"s_re": answered, "s_ge": answered, "rege": answered}


def s_re(answers: list[Document]) -> float:
    """Recognition in percent: accuracy for emotions, mean F1 for AUs."""
    return _scored(answers)["s_re"]


def s_ge(answers: list[Document]) -> float:
    """Generation in percent: ROUGE-L of answers and references."""
    return _scored(answers)["s_ge"]


def rege(answers: list[Document]) -> float:
    """The sum of both."""
    return _scored(answers)["rege"]


def _scored(answers: list[Document]) -> dict[str, Any]:
    from llava_faba.eval.answers import parse_answer
    from llava_faba.eval.bench import score
    from llava_faba.eval.labels import dataset_named

    parsed = [parse_answer(answer, f"sample {answer['id']!r}") for answer in answers]
    rules, dataset = os.environ.get("FABA_RULES", "emola"), os.environ.get("FABA_DATASET", "faba")
    return score(parsed, dataset_named(dataset), [rules])[0].as_json()


def _samples(task: Task) -> Any:
    from datasets import Dataset

    name = f"FABA_{task.upper()}"
    file, root = os.environ.get(name), os.environ.get("FABA_IMAGES")
    if not file or not root:
        raise InputError(
            f"The environment variable {'FABA_IMAGES' if file else name} is not set.",
            f"The task faba_bench_{task} reads {name}, FABA-Instruct's evaluation file, and FABA_IMAGES, the folder of "
            "the images.",
            f"Set both, or leave the task faba_bench_{task} out.",
        )
    samples = read_evaluation(Path(file), Path(root), task)
    return Dataset.from_list(
        [
            {
                "id": sample.id,
                "task": task,
                "image": sample.image,
                "path": str(sample.image_path),
                "question": QUESTIONS[task],
                "label": sample.label or "",
                "reference": sample.reference or "",
            }
            for sample in samples
        ]
    )
