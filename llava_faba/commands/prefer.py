"""Make preference pairs: of several answers about a face, one that landmarks and labels support and one they do not.

ANSWERS are answers.jsonl files of `annotate` (with --samples 2 or more) and `describe --data`, of one model or several.
PAIRS.jsonl has TRL's layout (images, prompt, chosen, rejected), for its DPO trainer, and the columns that the reward
functions of `llava_faba.engine.rewards` need.

examples:
  llava-faba prefer emotion_annotation/answers.jsonl --image-root faces --out pairs.jsonl
  llava-faba prefer first.jsonl second.jsonl --image-root faces --labels labels.csv --task emotion --out pairs.jsonl
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("answers", type=Path, nargs="+", metavar="ANSWERS.jsonl", help="answers about the same faces")
    add("--image-root", type=Path, required=True, help="the folder that images are relative to")
    add("--out", type=Path, required=True, metavar="PAIRS.jsonl", help="the pairs to write")
    add("--labels", type=Path, metavar="CSV", help="known labels: columns image and label; needs --task")
    add("--task", choices=["emotion", "au"], help="use the answers to this task only (default: all)")
    add("--margin", type=float, default=0.5, help="by how much the chosen one's score is higher (default: 0.5)")
    add("--json", nargs="?", const="-", metavar="OUT", help="write the counts as JSON; - or nothing: stdout")


def run(args: argparse.Namespace) -> int:
    import json
    import sys

    from llava_faba.engine.prefer import make_pairs, read_candidates
    from llava_faba.engine.session import read_labels
    from llava_faba.errors import InputError
    from llava_faba.files import write_atomically, write_json

    if (args.labels and not args.task) or not args.margin > 0:
        raise InputError(
            f"--labels is {args.labels}, --task {args.task}, --margin {args.margin:g}.",
            "Labels are of one task, and the margin is above 0.",
            "Give --task with --labels.",
        )
    labels = read_labels(args.labels, args.task) if args.labels else None
    candidates = read_candidates(args.answers)
    if args.task:
        candidates = {key: answers for key, answers in candidates.items() if key[1] == args.task}
    pairs, none = make_pairs(candidates, args.image_root, args.margin, labels)
    write_atomically(args.out, "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))
    print(f"{args.out}: {len(pairs)} pairs of {len(candidates)} faces", file=sys.stderr)
    for reason, count in none.items():
        print(f"  none for {count}: {reason}", file=sys.stderr)
    counts = {"pairs": len(pairs), "faces": len(candidates), "none": none}
    if args.json == "-":
        print(json.dumps(counts, indent=1))
    elif args.json:
        write_json(args.json, counts)
    return 0 if pairs else 1
