"""Annotation file -> its statistics, to be read beside FABA-Instruct's: counts, lengths, emotions and AUs."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from llava_faba.data.fabainstruct import IMAGE_MARK, Task, label_text
from llava_faba.faces import sample_id
from llava_faba.vocabulary import EMOTIONS

# arXiv 2404.05052, Table 2: samples of the train and test split, mean words of a description (both splits).
PAPER = {
    "emotion": {"train": 19474, "test": 403, "mean_words": 50.47},
    "au": {"train": 15838, "test": 325, "mean_words": 207.35},
}
# The paper's Figure 6 is a picture. These shares of samples are a recount of the released files, as Facial-R1's
# configs/config.json states them (github.com/RobitsG/Facial-R1): emotions of the train split, AUs of the test split.
PAPER_EMOTION_SHARES = dict(
    zip(
        ("Happiness", "Neutral", "Surprise", "Sadness", "Anger", "Fear", "Disgust"),
        (0.397, 0.188, 0.146, 0.114, 0.067, 0.067, 0.022),
        strict=True,
    )
)
PAPER_AU_SHARES = {1: 0.443, 2: 0.293, 4: 0.459, 5: 0.271, 6: 0.245, 7: 0.175, 9: 0.115, 10: 0.134, 12: 0.303}
PAPER_AU_SHARES |= {14: 0.029, 15: 0.143, 16: 0.016, 17: 0.156, 20: 0.096, 23: 0.112, 24: 0.239, 25: 0.430}
PAPER_AU_SHARES |= {26: 0.233, 27: 0.089, 43: 0.006}

Recognise = Callable[[str], "str | tuple[int, ...] | None"]  # a description -> its emotion, or its AUs


@dataclass(frozen=True)
class TaskStatistics:
    """What one file holds of one task."""

    task: Task
    samples: int
    images: int  # different ones
    without_prior: int
    mean_words: float
    shares: dict[str, float]  # an emotion or "AU4" -> share of the samples, 0 to 1; a sample may have several AUs
    undecided: int  # descriptions from which nothing was recognised

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(entries: Sequence[Any], recognise_emotion: Recognise, recognise_aus: Recognise) -> list[TaskStatistics]:
    """Measure a file's samples, task by task; labels count where there are any, else what the text says.

    Whatever is no sample is passed over: `examine` lists it.
    """
    of_task: dict[Task, list[dict[str, Any]]] = {"emotion": [], "au": []}
    for entry in entries:
        if isinstance(entry, dict) and _description(entry):
            of_task[sample_task(entry)].append(entry)
    recognise: dict[Task, Recognise] = {"emotion": recognise_emotion, "au": recognise_aus}
    return [_measured(task, samples, recognise[task]) for task, samples in of_task.items() if samples]


def sample_task(entry: dict[str, Any]) -> Task:
    """Tell what a sample is about: by its label, else by its question."""
    label = label_text(entry.get("label"))
    if label is not None:
        return "emotion" if re.search(r"[A-Za-z]{3}", label) or re.fullmatch(r"\s*[0-6]\s*", label) else "au"
    question = _turn(entry, 0).replace(IMAGE_MARK, "")
    return "au" if re.search(r"\bAUs?\b|\bAU\d|FACS|(?i:action unit|facial action)", question) else "emotion"


def _measured(task: Task, samples: list[dict[str, Any]], recognise: Recognise) -> TaskStatistics:
    counts: Counter[str] = Counter()
    undecided = 0
    for sample in samples:
        label = label_text(sample.get("label"))
        value = _labelled(task, label) if label is not None else recognise(_description(sample))
        undecided += value is None
        counts.update([] if value is None else [value] if isinstance(value, str) else [f"AU{au}" for au in value])
    order = list(EMOTIONS) if task == "emotion" else sorted(counts, key=lambda name: int(name[2:]))
    return TaskStatistics(
        task=task,
        samples=len(samples),
        images=len({str(sample.get("image", sample_id(sample))) for sample in samples}),
        without_prior=sum("landmark" not in sample for sample in samples),
        mean_words=sum(len(_description(sample).split()) for sample in samples) / len(samples),
        shares={name: counts[name] / len(samples) for name in order},
        undecided=undecided,
    )


def _labelled(task: Task, label: str) -> str | tuple[int, ...] | None:
    if task == "au":
        return tuple(int(number) for number in re.findall(r"\d+", label))
    numbered = dict(zip("0123456", EMOTIONS, strict=True))
    return numbered.get(label.strip(), label if label in EMOTIONS else None)


def _description(entry: dict[str, Any]) -> str:
    """A sample's description: the first answer, or the reference."""
    return _turn(entry, 1) or str(entry.get("gpt4") or "")


def _turn(entry: dict[str, Any], number: int) -> str:
    """A turn's text; empty where there is none, which `examine` lists."""
    turns = entry.get("conversations")
    turn = turns[number] if isinstance(turns, list) and len(turns) > number else None
    return str(turn.get("value") or "") if isinstance(turn, dict) else ""
