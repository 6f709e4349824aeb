"""Draft reports for clips from their measured motion, for an expert to correct: DATA with `conversations` filled in.

DATA is a PFED5+ style JSON or PFED5's csv. A clip that has a report keeps it. Drafts are marked "draft": true; they
say what was measured and are no ground truth until an expert has been over them. Clips that cannot be read are listed
and left without. A run that was stopped goes on when the same command is given again.

examples:
  llava-faba draft-reports train.csv --image-root PFED5/frames --out drafts.json
"""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="annotated clips, .json or PFED5's .csv")
    parser.add_argument("--image-root", type=Path, required=True, help="the folder that clips are relative to")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json", help="PFED5+ style JSON with drafts")


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from llava_faba.data.clips import INSTRUCTION, as_entry, read_samples
    from llava_faba.evidence.motion import draft_report
    from llava_faba.files import JsonLines, write_json
    from llava_faba.inference.runs import data_record, start_or_resume
    from llava_faba.motion.clips import BadClip, read_clip
    from llava_faba.motion.measures import measure_motion

    samples = read_samples(args.data, args.image_root)
    begun = args.out.with_name(args.out.name + ".begun.jsonl")
    with JsonLines(begun) as lines:
        start_or_resume(begun, data_record(args.data, args.image_root))
        done = {line["id"] for line in lines if line["draft"]}  # clips that could not be read are tried again
        for sample in tqdm(samples, unit="clip", disable=None):
            if sample.id in done or sample.conversations:
                continue
            try:
                clip = read_clip(sample.path, fps=sample.fps if sample.path.is_dir() else None)
                lines.append({"id": sample.id, "draft": draft_report(measure_motion(clip).values)})
            except BadClip as error:
                lines.append({"id": sample.id, "draft": None, "reason": str(error)})
        drafts = {line["id"]: line for line in lines}
    entries = []
    for sample in samples:
        entry, line = as_entry(sample), drafts.get(sample.id)
        if line and line["draft"] and not sample.conversations:
            question = INSTRUCTION.format(expression=sample.expression.replace("_", " "))
            asked = {"from": "human", "value": f"<image>\n{question}"}
            entry |= {"conversations": [asked, {"from": "gpt", "value": line["draft"]}], "draft": True}
        entries.append(entry)
    write_json(args.out, entries)
    begun.unlink()
    begun.with_name(begun.name + ".run.json").unlink()
    unread = [line for line in drafts.values() if not line["draft"]]
    for line in unread:
        print(f"{line['id']}: {line['reason']}", file=sys.stderr)
    drafted = len(drafts) - len(unread)
    print(f"{drafted} drafts for an expert to correct, {len(unread)} clips unreadable: {args.out}", file=sys.stderr)
    return 0 if drafted or not unread else 1
