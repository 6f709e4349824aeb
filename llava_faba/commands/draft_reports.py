"""Draft reports for clips from their measured motion, for an expert to correct: DATA with `conversations` filled in.

DATA is a PFED5+ style JSON or PFED5's csv. A clip that has a report keeps it. Drafts are marked "draft": true; they
say what was measured and are no ground truth until an expert has been over them. Clips that cannot be read are listed
and left without.

examples:
  llava-faba draft-reports train.csv --image-root PFED5/frames --out drafts.json
"""

import argparse
import sys
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="annotated clips, .json or PFED5's .csv")
    parser.add_argument("--image-root", type=Path, required=True, help="the folder that clips are relative to")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json", help="PFED5+ style JSON with drafts")


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from llava_faba.files import write_json
    from llava_faba.video.clips import BadClip, read_clip
    from llava_faba.video.drafts import draft_report
    from llava_faba.video.motion import measure_motion
    from llava_faba.video.samples import INSTRUCTION, read_samples

    entries: list[dict[str, Any]] = []
    drafted = failed = 0
    for sample in tqdm(read_samples(args.data, args.image_root), unit="clip"):
        entry: dict[str, Any] = {"id": sample.id, "video": sample.video, "expression": sample.expression}
        entry |= {"score": sample.severity, "patient": sample.patient, "conversations": sample.conversations}
        entries.append(entry)
        if sample.conversations:
            continue
        try:
            report = draft_report(measure_motion(read_clip(sample.path)).values)
        except BadClip as error:
            failed += 1
            print(f"{sample.id}: {error}", file=sys.stderr)
            continue
        question = INSTRUCTION.format(expression=sample.expression.replace("_", " "))
        entry["conversations"] = [
            {"from": "human", "value": f"<image>\n{question}"},
            {"from": "gpt", "value": report},
        ]
        entry["draft"] = True
        drafted += 1
    write_json(args.out, entries)
    print(f"{drafted} drafts for an expert to correct, {failed} clips unreadable: {args.out}", file=sys.stderr)
    return 0 if drafted or not failed else 1
