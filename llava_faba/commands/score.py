"""Score answers: what was recognised (S_re), how well it is said (S_ge), and their sum (REGE), with 95 % intervals.

Several files are scored as one: shards of a run, or the emotion and the AU answers of one model. Samples that fail are
counted, listed and wrong; the exit status is then still 0.

examples:
  llava-faba score answers.jsonl
  llava-faba score emotion.jsonl au.jsonl --rules emola --rules strict --compare --json score.json
  llava-faba score fold1.jsonl fold2.jsonl fold3.jsonl --dataset bp4d --folds
  llava-faba score answers.jsonl --paired llava.jsonl --groups faces.csv --per-sample samples.jsonl
"""

import argparse


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
    parser.add_argument("--folds", action="store_true", help="each file is one fold: score it apart, report the mean")
    parser.add_argument(
        "--paired",
        nargs="+",
        metavar="OTHER.jsonl",
        help="another model's answers to the same samples: differences with intervals from shared draws",
    )
    parser.add_argument(
        "--groups", metavar="CSV", help="S_re by each column of a table with a column `id` or `image`, and the gaps"
    )
    parser.add_argument("--compare", action="store_true", help="set the published numbers of the data set beside ours")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="OUT.json", help="write all numbers, in percent; - is standard output"
    )
    parser.add_argument("--per-sample", metavar="OUT.jsonl", help="write a line for every sample and set of rules")


def run(args: argparse.Namespace) -> None:
    import json
    import sys
    from pathlib import Path

    from llava_faba.eval.answers import read_answers, refuse_repeated
    from llava_faba.eval.bench import mean_of_folds, score
    from llava_faba.eval.datasets import dataset_named
    from llava_faba.eval.groups import add_groups, read_groups
    from llava_faba.eval.layout import grid
    from llava_faba.eval.paired import add_paired
    from llava_faba.eval.parse import require_rules
    from llava_faba.eval.published import PUBLISHED
    from llava_faba.eval.report import text_report
    from llava_faba.files import write_atomically, write_json

    dataset, rules = dataset_named(args.dataset), require_rules(args.rules or ["emola"])
    _refuse_overwriting(args)
    groups = read_groups(args.groups) if args.groups else None
    if args.folds:
        folds = [read_answers([path]) for path in args.answers]
        refuse_repeated(answer for fold in folds for answer in fold)
        scores = mean_of_folds([score(fold, dataset, rules) for fold in folds])
    else:
        scores = score(read_answers(args.answers), dataset, rules)
    if args.paired:
        add_paired(scores, score(read_answers(args.paired), dataset, rules), " ".join(args.paired))
    if groups:
        add_groups(scores, *groups)
    printed = [row for row in PUBLISHED if row.dataset == dataset.name] if args.compare else []
    for result in scores if printed else ():
        result.extra["published"] = [row.as_json() for row in printed if row.task == result.task]

    if args.per_sample:
        lines = [json.dumps(s.row(result.rules), ensure_ascii=False) for result in scores for s in result.samples]
        write_atomically(args.per_sample, "\n".join(lines) + "\n")
    numbers = [result.as_json() for result in scores]
    if args.json == "-":
        print(json.dumps(numbers, indent=1, ensure_ascii=False))
    elif args.json:
        write_json(args.json, numbers)
    if args.json != "-":
        sys.stdout.write(text_report(scores, grid(scores, Path(args.answers[0]).stem, printed)))
    for written in (args.json, args.per_sample):
        if written and written != "-":
            print(f"written: {written}", file=sys.stderr)


def _refuse_overwriting(args: argparse.Namespace) -> None:
    """`--json answers.jsonl other.jsonl` would take the first file of answers for the output."""
    from pathlib import Path

    from llava_faba.errors import InputError

    read = {
        Path(path).resolve() for path in [*args.answers, *(args.paired or []), *([args.groups] * bool(args.groups))]
    }
    for flag, path in (("--json", args.json), ("--per-sample", args.per_sample)):
        if path and path != "-" and (Path(path).resolve() in read or (flag == "--json" and path.endswith(".jsonl"))):
            raise InputError(
                f"{flag} would write to {path}.",
                "Results go to a file of their own; --json writes one JSON document, no .jsonl.",
                f"Give another file after {flag}, or put {flag} behind the files of answers.",
            )
