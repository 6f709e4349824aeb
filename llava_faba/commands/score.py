"""Score answers: what was recognised (S_re), how well it is said (S_ge), and their sum (REGE), with 95 % intervals.

Several files are scored as one: shards of a run, or the emotion and the AU answers of one model. Samples that fail are
counted, listed and wrong; the exit status is then still 0.

examples:
  llava-faba score answers.jsonl
  llava-faba score emotion.jsonl au.jsonl --rules emola --rules paper --json score.json
  llava-faba score bp4d.jsonl --dataset bp4d --per-sample samples.jsonl
"""

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("answers", nargs="+", metavar="ANSWERS.jsonl", help="what `llava-faba describe` wrote")
    parser.add_argument(
        "--dataset",
        default="faba",
        metavar="NAME",
        help="faba (default), raf-db, bp4d, disfa, gft or emotionet: which AUs are read and which count",
    )
    parser.add_argument(
        "--rules",
        action="append",
        metavar="RULES",
        help="how answers are read: emola (default: as the released code does, quirk for quirk), paper (as the paper "
        "says) or strict (whole-word negation, any way of writing AUs, no guess); give it again for several",
    )
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="OUT.json", help="write all numbers, in percent; - is standard output"
    )
    parser.add_argument("--per-sample", metavar="OUT.jsonl", help="write a line for every sample and set of rules")


def run(args: argparse.Namespace) -> None:
    import json
    from pathlib import Path

    from llava_faba.eval.answers import read_answers
    from llava_faba.eval.bench import score
    from llava_faba.eval.datasets import dataset_named
    from llava_faba.eval.parse import require_rules
    from llava_faba.eval.report import text_report
    from llava_faba.files import write_atomically, write_json

    scores = score(read_answers(args.answers), dataset_named(args.dataset), require_rules(args.rules or ["emola"]))
    if args.per_sample:
        lines = [json.dumps(s.row(result.rules), ensure_ascii=False) for result in scores for s in result.samples]
        write_atomically(args.per_sample, "\n".join(lines) + "\n")
    if args.json == "-":
        print(json.dumps([result.as_json() for result in scores], indent=1, ensure_ascii=False))
        return
    if args.json:
        write_json(args.json, [result.as_json() for result in scores])
    sys.stdout.write(text_report(scores, Path(args.answers[0]).stem))
    for written in (args.json, args.per_sample):
        if written:
            print(f"written: {written}")
