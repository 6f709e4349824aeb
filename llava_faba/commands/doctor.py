"""List every defect of a FABA-Instruct file: samples, images and priors. Exit status 1 if there is one.

Training and evaluation files are told apart by their keys. Every image and every prior file is opened. With --stats the
file's counts, lengths, emotions and AUs are set beside FABA-Instruct's (the paper's Table 2 and Figure 6).

Files of clips (PFED5's csv, or JSON with `video`) are examined too: ids, clips and their frames, expressions,
scores of 0 to 4, conversations; --image-root is then the folder of the clips.

examples:
  llava-faba doctor train.json --image-root data/
  llava-faba doctor eval.json --image-root data/ --json defects.json
  llava-faba doctor train.json --image-root data/ --stats
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llava_faba.data.doctor import Examination
    from llava_faba.data.statistics import TaskStatistics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA.json", help="a FABA-Instruct file, of training or evaluation")
    parser.add_argument("--image-root", type=Path, required=True, help="the folder that images are relative to")
    parser.add_argument("--stats", action="store_true", help="also print the file's statistics beside the paper's")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="OUT.json", help="write the result; - is standard output"
    )


def run(args: argparse.Namespace) -> int:
    import json

    from llava_faba.data.clips import is_clip_file
    from llava_faba.data.doctor import examine
    from llava_faba.errors import MissingFileError
    from llava_faba.files import write_json

    if not args.image_root.is_dir():
        raise MissingFileError(
            f"The image root {args.image_root} does not exist.", "--image-root is a folder.", "Check the path."
        )
    if is_clip_file(args.data):
        return _run_clips(args)
    examination = examine(args.data, args.image_root)
    statistics = _statistics(args.data) if args.stats else []
    result = examination.as_json()
    if args.stats:
        result["statistics"] = [task.as_json() for task in statistics]
    if args.json == "-":
        print(json.dumps(result, indent=1, ensure_ascii=False))
        return int(bool(examination.defects))
    print("\n".join([*_report(examination), *(line for task in statistics for line in _beside_the_paper(task))]))
    if args.json:
        print(f"written: {write_json(args.json, result)}")
    return int(bool(examination.defects))


def _run_clips(args: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from llava_faba.data.clips import examine_clips
    from llava_faba.files import write_json

    clips, defects = examine_clips(args.data, args.image_root)
    result = {"file": str(args.data), "kind": "clips", "samples": clips, "defects": [asdict(d) for d in defects]}
    if args.json == "-":
        print(json.dumps(result, indent=1, ensure_ascii=False))
        return int(bool(defects))
    print("\n".join(f"{defect.id}: {defect.defect}: {defect.detail}" for defect in defects))
    print(f"{args.data}: {clips} clips, {len(defects)} defects")
    if args.json:
        print(f"written: {write_json(args.json, result)}")
    return int(bool(defects))


def _report(examination: "Examination") -> list[str]:
    from llava_faba.data.doctor import DEFECTS

    lines = [f"{defect.id}: {defect.defect}: {defect.detail}" for defect in examination.defects]
    kind = examination.kind + (f", {examination.task}" if examination.task else "")
    lines.append(f"{examination.file}: {examination.samples} samples ({kind}), {len(lines)} defects")
    for defect, count in examination.as_json()["counts"].items():
        lines.append(f"  {count} x {defect}: {DEFECTS[defect]}")
    return lines


def _statistics(path: Path) -> "list[TaskStatistics]":
    from llava_faba.data.statistics import measure
    from llava_faba.eval.labels import DATASETS
    from llava_faba.eval.parse import parse_aus, parse_emotion
    from llava_faba.files import read_json

    return measure(
        read_json(path, "annotation file"),
        lambda text: parse_emotion(text, "paper").value,
        lambda text: parse_aus(text, DATASETS["faba"], "paper").value,
    )


def _beside_the_paper(task: "TaskStatistics") -> list[str]:
    from llava_faba.data.statistics import PAPER, PAPER_AU_SHARES, PAPER_EMOTION_SHARES

    paper = PAPER[task.task]
    known = PAPER_EMOTION_SHARES if task.task == "emotion" else {f"AU{au}": s for au, s in PAPER_AU_SHARES.items()}
    names = list(dict.fromkeys([*task.shares, *known]))
    if task.task == "au":
        names.sort(key=lambda name: int(name[2:]))
    rows = [
        (task.task, "this file", "FABA-Instruct"),
        ("samples", str(task.samples), f"{paper['train']} train, {paper['test']} test"),
        ("images", str(task.images), "-"),
        ("without a prior", str(task.without_prior), "0"),
        ("mean words", f"{task.mean_words:.2f}", str(paper["mean_words"])),
        *((name, _percent(task.shares.get(name, 0.0)), _percent(known.get(name))) for name in names),
        ("undecided", str(task.undecided), "-"),
    ]
    width = max(len(row[1]) for row in rows)
    split = "train split" if task.task == "emotion" else "test split"
    return [
        "",
        *(f"{name:<16} {here:>{width}}  {there}" for name, here, there in rows),
        f"Shares are of samples; FABA-Instruct's are of its {split}.",
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
