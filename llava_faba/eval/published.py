"""The numbers that are in print, with their source, to be set beside ours (`score --compare`); percent.

`arXiv 2404.05052` is "Facial Affective Behavior Analysis with Instruction Tuning" (ECCV 2024), S its supplement.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from llava_faba.eval.labels import DATASETS

PAPER = "arXiv 2404.05052"


@dataclass(frozen=True)
class Published:
    """One printed row of one task."""

    dataset: str
    task: str
    method: str
    table: str  # "Table 7", "Table S4"
    values: dict[str, float] = field(default_factory=dict)  # s_re, s_ge, rege
    per_class: dict[str, float] = field(default_factory=dict)  # "AU1" -> F1
    source: str = PAPER
    note: str = ""  # where the protocol differs from the released scorer's

    def as_json(self) -> dict[str, Any]:
        """What `score --compare --json` says of it."""
        kept = ("method", "table", "values", "per_class", "source", "note")
        return {key: getattr(self, key) for key in kept}


def published(dataset: str) -> list[Published]:
    """The printed rows of one data set, in the order of the tables."""
    return [row for row in PUBLISHED if row.dataset == dataset]


# Each line: method | numbers. Table 3: accuracy. Tables 4 to 6: F1 of each AU in the data set's order, then their mean.
_TABLE_3 = """
RAN | 86.9
MA-Net | 87.22
EfficientFace | 88.36
RUL | 88.98
DAN | 89.70
EAC | 90.35
APViT | 91.98
POSTER | 92.05
EmoLA | 92.05
"""
_TABLE_4 = """
DRML | 17.3 17.7 37.4 29.0 10.7 37.7 38.5 20.1 26.7
EAC-Net | 41.5 26.4 66.4 50.7 80.5 89.3 88.9 15.6 48.5
DSIN | 42.4 39.0 68.1 28.6 46.8 70.8 90.4 42.2 53.6
SRERL | 45.7 47.8 59.6 47.1 45.6 73.5 84.3 43.6 55.9
LP-Net | 29.9 24.7 72.7 46.8 49.6 72.9 93.8 65.0 56.9
CMS | 40.2 44.3 53.2 57.1 50.3 73.5 81.1 59.7 57.4
ARL | 43.9 42.1 63.6 41.8 40.0 76.2 95.2 66.8 58.7
SEV-Net | 55.3 53.1 61.5 53.6 38.2 71.6 95.7 41.5 58.8
HMP-PS | 38.0 45.9 65.2 50.9 50.8 76.0 93.3 67.6 61.0
ATCM | 46.1 48.6 72.8 56.7 50.0 72.1 90.8 55.4 61.5
ReCoT | 51.3 36.2 66.8 50.1 52.4 78.8 95.3 69.7 62.6
JAA-Net | 62.4 60.7 67.1 41.1 45.1 73.5 90.9 67.4 63.5
PIAP | 50.2 51.8 71.9 50.6 54.5 79.7 94.1 57.2 63.8
GraphAU (R-50) | 54.6 47.1 72.9 54.0 55.7 76.7 91.1 53.0 63.1
EmoLA | 50.5 56.9 83.5 55.2 43.1 80.1 91.6 60.0 65.1
"""
_TABLE_5 = """
DRML | 36.4 41.8 43.0 55.0 67.0 66.3 65.8 54.1 33.2 48.0 31.7 30.0 48.3
EAC-Net | 39.0 35.2 48.6 76.1 72.9 81.9 86.2 58.8 37.5 59.1 35.9 35.8 55.9
DSIN | 51.7 40.4 56.0 76.1 73.5 79.9 85.4 62.7 37.3 62.9 38.8 41.6 58.9
CMS | 49.1 44.1 50.3 79.2 74.7 80.9 88.3 63.9 44.4 60.3 41.4 51.2 60.6
LP-Net | 43.4 38.0 54.2 77.1 76.7 83.8 87.2 63.3 45.3 60.5 48.1 54.2 61.0
ARL | 45.8 39.8 55.1 75.7 77.2 82.3 86.6 58.8 47.6 62.1 47.4 55.4 61.1
JAA-Net | 47.2 41.6 49.1 77.2 77.5 82.9 85.8 63.4 50.8 62.5 47.2 52.7 61.5
SRERL | 46.9 45.3 55.6 77.1 78.4 83.5 87.6 60.6 52.2 63.9 47.1 53.3 62.9
HMP-PS | 53.1 46.1 56.0 76.5 76.9 82.1 86.4 64.8 51.5 63.0 49.9 54.5 63.4
SEV-Net | 58.2 50.4 58.3 81.9 73.9 87.8 87.5 61.6 52.6 62.2 44.6 47.6 63.9
PIAP | 54.2 47.1 54.0 79.0 78.2 86.3 89.5 66.1 49.7 63.2 49.9 52.0 64.1
ATCM | 51.7 49.3 61.0 77.8 79.5 82.9 86.3 67.6 51.9 63.0 43.7 56.3 64.2
GraphAU (R-50) | 53.7 46.9 59.0 78.5 80.0 84.4 87.8 67.3 52.5 63.2 50.6 52.4 64.7
ReCoT | 51.5 47.8 58.9 79.2 80.2 84.9 88.4 61.6 53.3 64.6 51.8 55.4 64.8
EmoLA | 57.4 52.4 61.0 78.1 77.8 81.9 89.5 60.5 49.3 64.9 46.0 52.4 64.2
"""
_TABLE_6 = """
EACNet | 15.5 56.6 0.1 81.0 76.1 84.0 0.1 38.5 57.8 51.2 46.1
TCAE | 43.9 49.5 6.3 71.0 76.2 79.5 10.7 28.5 34.5 41.7 44.2
ARL | 51.9 45.9 13.7 79.2 75.5 82.8 0.1 44.9 59.2 47.5 50.1
MoCo (ft) | 45.3 48.2 20.3 80.7 78.8 78.1 22.6 46.0 53.9 50.3 52.4
Temporal Ranking (ft) | 58.8 56.8 33.2 72.5 76.2 80.8 19.9 46.8 55.2 47.3 54.7
JAA-Net | 46.5 49.3 19.2 79.0 75.0 84.8 44.1 33.5 54.9 50.7 53.7
EmoCo | 65.9 55.9 40.7 83.1 75.1 81.4 21.3 48.5 58.0 56.5 58.6
EmoLA | 69.8 59.1 52.8 85.3 73.0 85.3 32.3 47.6 63.1 52.2 62.1
"""
# Emotion S_re S_ge REGE, F1 of AU 1 2 4 5 6 10 12 17 24 25 26 43, AU S_re S_ge REGE.
_TABLE_7 = """
MiniGPT4-v2 | 58.2 19.6 77.8 47.9 35.5 42.3 32.7 29.2 6.6 10.3 0.0 2.5 0.1 0.0 0.0 17.9 19.9 37.8
mPLUG-Owl2 | 53.6 28.4 82.0 72.3 17.5 75.2 54.2 75.6 0.0 13.0 0.0 0.0 3.9 18.2 0.0 27.5 28.2 55.7
Shikra | 62.5 32.1 94.6 70.6 33.9 76.6 63.3 57.8 43.4 58.0 53.0 54.1 68.5 42.4 0.0 51.8 34.8 86.6
LLaVA-1.5 | 62.3 31.6 93.9 74.2 32.7 76.5 67.9 63.6 41.0 61.0 53.4 54.1 67.5 43.5 50.0 57.1 34.3 91.4
EmoLA | 64.5 31.7 96.2 72.8 37.3 79.9 67.3 69.9 41.7 63.6 56.8 55.6 73.4 56.8 0.0 56.3 35.2 91.5
"""
# Emotion S_re S_ge, AU S_re S_ge.
_TABLE_8 = """
prior token only | 41.2 29.9 40.5 33.7
visual tokens only | 62.5 32.1 55.3 34.8
visual tokens and prior token | 64.5 31.7 56.3 35.2
"""
_TABLE_9 = """
prior projector tuned | 44.9 29.6 47.7 34.0
LoRA and visual projector tuned | 63.0 32.1 55.6 34.9
all three tuned | 64.5 31.7 56.3 35.2
"""
# Emotion S_re S_ge REGE, AU S_re S_ge REGE.
_TABLE_S4 = """
EmoLA (single task) | 64.5 31.7 96.2 56.3 35.2 91.5
EmoLA (multi-task) | 64.3 32.0 96.3 54.7 33.9 88.6
"""
_TABLE_S5 = """
prior token before visual tokens | 63.5 32.1 95.6 55.4 34.3 89.7
prior token after visual tokens | 64.5 31.7 96.2 56.3 35.2 91.5
"""

# Later work: data set | task | method | measure | value | source | note.
_LATER = """
faba | emotion | Facial-R1 | s_re | 67.8 | r1 | r1_emotion
faba | emotion | Facial-R1 | rege | 95.5 | r1 | r1_rege
faba | emotion | QCS | s_re | 64.7 | r1 | r1_emotion
faba | emotion | ExpLLM | s_re | 63.7 | r1 | r1_emotion
faba | emotion | FMAE | s_re | 63.3 | r1 | r1_emotion
faba | emotion | GPT-4o, zero-shot | s_re | 64.2 | r1 | r1_emotion
faba | emotion | GPT-4o, zero-shot | rege | 79.8 | r1 | r1_rege
faba | emotion | Qwen2.5-VL, zero-shot | s_re | 63.0 | r1 | r1_emotion
faba | emotion | Qwen2.5-VL, zero-shot | rege | 46.4 | r1 | r1_rege
faba | au | Facial-R1 | s_re | 68.3 | r1 | r1_au
faba | au | FMAE | s_re | 61.9 | r1 | r1_au
faba | au | GPT-4o, zero-shot | s_re | 47.2 | r1 | r1_au
raf-db | emotion | ResEmoteNet | s_re | 94.76 | arXiv 2409.10545 | not reproduced by others
raf-db | emotion | FMAE | s_re | 93.4 | r1 |
raf-db | emotion | QCS | s_re | 93.0 | r1 |
raf-db | emotion | Norface | s_re | 92.97 | r1 |
raf-db | emotion | S2D | s_re | 92.6 | r1 |
raf-db | emotion | POSTER++ | s_re | 92.21 | r1 |
raf-db | emotion | Face-LLaVA | s_re | 92.1 | r1 |
raf-db | emotion | Facial-R1 | s_re | 92.1 | r1 |
disfa | au | Facial-R1 | s_re | 73.1 | r1 |
disfa | au | Face-LLaVA | s_re | 72.9 | r1 |
disfa | au | Norface | s_re | 72.7 | wizwand.com/paper/68fa742e1e209131cea6042f | Facial-R1 quotes 67.0
disfa | au | FMAE-IAT | s_re | 70.1 | arXiv 2407.11243 |
bp4d | au | Norface | s_re | 69.3 | r1 |
bp4d | au | Facial-R1 | s_re | 67.4 | r1 |
bp4d | au | FMAE-IAT | s_re | 67.1 | arXiv 2407.11243 |
bp4d | au | Face-LLaVA | s_re | 65.8 | r1 |
faba | emotion | EmoLA's repository | s_re | 63.03 | outputs | another run than the paper's
faba | emotion | EmoLA's repository | s_ge | 31.84 | outputs | another run than the paper's
faba | emotion | EmoLA's repository | rege | 94.87 | outputs | another run than the paper's
"""
_SHORT = {
    "r1": "Facial-R1 (AAAI 2026), tables in github.com/RobitsG/Facial-R1",
    "outputs": "github.com/JackYFL/EmoLA at 91ac3c2, output_test (deleted later)",
    # https://github.com/RobitsG/Facial-R1, src, eval_utils.py
    "r1_emotion": "label read from <answer>; only test images that have both an emotion and an AU label",
    "r1_rege": "its S_ge is rouge-score's stemmed rougeL, not the rouge package's",
    "r1_au": "all 20 AUs of the labels, not 12; only test images with both labels; micro or macro F1 is not said",
}
_REPOSITORY_F1 = [71.48, 34.01, 79.10, 67.30, 71.29, 43.17, 65.82, 57.35, 55.25, 71.92, 56.77, 0.00]


def _lines(table: str) -> list[tuple[str, list[float]]]:
    rows = [line.split(" | ") for line in table.strip().splitlines()]
    return [(method, [float(number) for number in numbers.split()]) for method, numbers in rows]


def _au_row(dataset: str, method: str, table: str, values: dict[str, float], f1: list[float]) -> Published:
    mean = sum(f1) / len(f1)
    note = "" if abs(values["s_re"] - mean) <= 0.1 else f"the printed S_re; its AUs average {mean:.1f}"
    per_class = {f"AU{au}": value for au, value in zip(DATASETS[dataset].scored_aus, f1, strict=True)}
    return Published(dataset, "au", method, table, values, per_class, note=note)


def _paper_rows() -> list[Published]:
    rows = [Published("raf-db", "emotion", method, "Table 3", {"s_re": n[0]}) for method, n in _lines(_TABLE_3)]
    for dataset, name, table in (
        ("disfa", "Table 4", _TABLE_4),
        ("bp4d", "Table 5", _TABLE_5),
        ("gft", "Table 6", _TABLE_6),
    ):
        rows += [_au_row(dataset, method, name, {"s_re": n[-1]}, n[:-1]) for method, n in _lines(table)]
    three, two = ("s_re", "s_ge", "rege"), ("s_re", "s_ge")
    for method, n in _lines(_TABLE_7):
        rows.append(Published("faba", "emotion", method, "Table 7", dict(zip(three, n[:3], strict=True))))
        au = dict(zip(three, n[-3:], strict=True))
        rows.append(_au_row("faba", method, "Table 7", au, n[3:-3]))
    for name, table, keys in (
        ("Table 8", _TABLE_8, two),
        ("Table 9", _TABLE_9, two),
        ("Table S4", _TABLE_S4, three),
        ("Table S5", _TABLE_S5, three),
    ):
        for method, n in _lines(table):
            rows.append(Published("faba", "emotion", method, name, dict(zip(keys, n[: len(keys)], strict=True))))
            rows.append(Published("faba", "au", method, name, dict(zip(keys, n[len(keys) :], strict=True))))
    return rows


def _later_rows() -> list[Published]:
    rows = []
    for line in _LATER.strip().splitlines():
        dataset, task, method, measure, value, source, note = (part.strip() for part in line.split("|"))
        source, note = _SHORT.get(source, source), _SHORT.get(note, note)
        rows.append(Published(dataset, task, method, "", {measure: float(value)}, source=source, note=note))
    au = {"s_re": 56.12, "s_ge": 35.26, "rege": 91.38}
    own = _au_row("faba", "EmoLA's repository", "", au, _REPOSITORY_F1)
    return [*rows, replace(own, source=_SHORT["outputs"], note="another run than the paper's")]


PUBLISHED = [*_paper_rows(), *_later_rows()]
