"""Score answers: what was recognised (S_re), how well it is said (S_ge), and their sum (REGE), with 95 % intervals.

S_re is the accuracy of the emotions, or the mean F1 of the AUs (facial action units); S_ge is ROUGE-L, the likeness of
answer and reference text; REGE is S_re + S_ge, 0 to 200. Several files are scored as one: shards of a run, or the
emotion and the AU answers of one model. Samples that fail are counted, listed and wrong; the exit status is then still
0. Without --rules, answers to FABA-Bench's files, whose references are descriptions, are read as the released code does
(emola), all others by `strict`. Intervals draw whole subjects where the lines have `subject`, else samples.

Any model's answers can be scored: lines with the keys id, image, task, question, answer, reference, label; or, with
--references, LLaVA's model_vqa files, {id: text} in a .json, a .csv with the columns id and answer, and the tables of
`llava-faba describe --csv`.

examples:
  llava-faba score answers.jsonl
  llava-faba score emotion.jsonl au.jsonl --rules emola --rules strict --compare --html report.html
  llava-faba score fold1.jsonl fold2.jsonl fold3.jsonl --dataset bp4d --folds --json score.json
  llava-faba score answers.jsonl --paired llava.jsonl --groups faces.csv --per-sample samples.jsonl
  llava-faba score au.jsonl --evidence --image-root images
  llava-faba score model_vqa.jsonl --references AU_test.json --task au --latex
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from llava_faba.errors import InputError

if TYPE_CHECKING:
    from llava_faba.eval.answers import Answer
    from llava_faba.eval.bench import Score
    from llava_faba.eval.defaults import Setting
    from llava_faba.eval.render.report import Grid

_FILES = ("json", "csv", "latex", "html", "per_sample")  # what can be written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("answers", nargs="+", metavar="ANSWERS.jsonl", help="what `llava-faba describe` wrote")
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="faba, raf-db, bp4d, disfa, gft or emotionet: which AUs are read and which count (default: faba's)",
    )
    parser.add_argument(
        "--rules",
        action="append",
        metavar="RULES",
        help="how answers are read: emola (as the released code does, quirk for quirk), paper (as the paper says) or "
        "strict (what a text affirms, no guess); again for several (default: by the references, see above)",
    )
    parser.add_argument(
        "--references",
        nargs="+",
        default=[],
        metavar="EVAL.json",
        help="labels and reference texts for other tools' answers: FABA-Instruct's evaluation file, or another model's "
        "answers.jsonl; with --folds one for each fold",
    )
    parser.add_argument("--task", choices=("emotion", "au"), help="what the samples of --references are asked for")
    parser.add_argument(
        "--cluster-by", metavar="FIELD", help="the key of the lines whose values are drawn whole (default: subject)"
    )
    parser.add_argument("--folds", action="store_true", help="each file is one fold: score it apart, report the mean")
    parser.add_argument(
        "--paired",
        nargs="+",
        default=[],
        metavar="OTHER.jsonl",
        help="another model's answers to the same samples: differences with intervals from shared draws",
    )
    parser.add_argument(
        "--groups", metavar="CSV", help="S_re by each column of a table with a column `id` or `image`, and the gaps"
    )
    parser.add_argument(
        "--abstain-below",
        type=float,
        metavar="P",
        help="with `probabilities` in the answers: what S_re becomes when decisions less probable than P are withheld",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="fit a temperature to the `probabilities` of these held-out answers and keep it with their model, for "
        "describe --probabilities",
    )
    parser.add_argument(
        "--evidence",
        action="store_true",
        help="set each sentence that names a movement or an AU against what landmarks show in its picture, and report "
        "the share that is supported; pictures from --image-root, needs the extra [dlib]",
    )
    parser.add_argument(
        "--explain", action="store_true", help="print how `strict` reads each answer: clause, claim, polarity"
    )
    parser.add_argument("--compare", action="store_true", help="set the published numbers of the data set beside ours")
    out = parser.add_argument_group("output (percent; OUT left out or - is standard output)")
    out.add_argument("--json", nargs="?", const="-", metavar="OUT.json", help="all numbers, a list of rules and tasks")
    out.add_argument("--csv", nargs="?", const="-", metavar="OUT.csv", help="all numbers, one a row")
    out.add_argument("--latex", nargs="?", const="-", metavar="OUT.tex", help="the table, for booktabs")
    out.add_argument("--html", metavar="OUT.html", help="one self-contained page, with the worst and best samples")
    out.add_argument("--thumbnails", action="store_true", help="put the samples' pictures into the page")
    out.add_argument("--image-root", metavar="DIR", help="where the pictures are (default: here)")
    out.add_argument("--per-sample", metavar="OUT.jsonl", help="a line for every sample and set of rules")


def run(args: argparse.Namespace) -> None:
    import os
    import sys

    if "numpy" not in sys.modules:  # its matrix products are small here: more threads only wait for each other
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from llava_faba.commands.output import emit
    from llava_faba.eval.defaults import setting_of
    from llava_faba.eval.importers import import_folds, refuse_unused

    _refuse_flags(args)
    refuse_unused([*args.answers, *args.paired], args.references, args.task)
    folds = import_folds(args.answers, args.references, args.task, args.cluster_by, apart=args.folds)
    setting = setting_of([answer for fold in folds for answer in fold], args.dataset, args.rules)
    scores = _scores(args, setting, folds)
    contents = _contents(args, scores, setting)
    print(setting.note, file=sys.stderr)
    if args.compare and setting.warning:
        print(f"warning: {setting.warning}", file=sys.stderr)
    printed = "-" not in (getattr(args, kind) for kind in _FILES)
    if args.explain:
        from llava_faba.eval.explain import explanation

        answers = {(one.answer.task, one.id): one.answer for result in scores for one in result.samples}
        print(explanation(list(answers.values()), scores[0].tally.dataset), file=sys.stdout if printed else sys.stderr)
    if printed:
        from llava_faba.eval.render.report import text_report

        sys.stdout.write(text_report(scores, _table(args, scores)))
    for kind, content in contents.items():
        emit(content, getattr(args, kind))
    if args.calibrate:
        _calibrate(args, scores)


def _calibrate(args: argparse.Namespace, scores: "list[Score]") -> None:
    import sys

    from llava_faba.commands.output import say_written
    from llava_faba.eval.calibration import calibrate

    found = calibrate(scores, args.answers[0])
    place = found.pop("file")
    for task, fit in found.items():
        print(
            f"{task}: temperature {fit['temperature']:g}; calibration error {fit['error_before']:.1f} before, "
            f"{fit['error_after']:.1f} after, on {fit['n']} answers that were not fitted on",
            file=sys.stderr,
        )
    say_written(place, "describe --probabilities applies it")


def _scores(args: argparse.Namespace, setting: "Setting", folds: "list[list[Answer]]") -> "list[Score]":
    """Score, and add what was asked for besides."""
    from llava_faba.eval.bench import mean_of_folds, score
    from llava_faba.eval.comparisons import add_paired
    from llava_faba.eval.groups import add_groups, read_groups
    from llava_faba.eval.importers import import_answers
    from llava_faba.eval.parse import require_rules
    from llava_faba.eval.probabilities import add_probabilities
    from llava_faba.eval.published import published

    dataset, rules = setting.dataset, require_rules(setting.rules)
    groups = read_groups(args.groups) if args.groups else None
    scored = [score(fold, dataset, rules) for fold in folds]
    scores = mean_of_folds(scored) if args.folds else scored[0]
    if args.paired:
        other = score(import_answers(args.paired, args.references, args.task, args.cluster_by), dataset, rules)
        add_paired(scores, other, " ".join("/".join(Path(file).parts[-2:]) for file in args.paired))
    if groups:
        add_groups(scores, *groups)
    add_probabilities(scores, args.abstain_below)
    if args.evidence:
        from llava_faba.evidence.norms import load_norms
        from llava_faba.evidence.rate import add_evidence_rates
        from llava_faba.evidence.records import AnsweredFaces

        faces = AnsweredFaces(args.image_root, (one.answer.image for result in scores for one in result.samples))
        add_evidence_rates(scores, faces.judge, load_norms().source)
    for result in scores:
        result.title = setting.title
        if args.compare:
            rows = [row.as_json() for row in published(dataset.name) if row.task == result.task]
            result.extra["published"] = rows
            result.extra |= {"warnings": [setting.warning]} if setting.warning else {}
    return scores


def _contents(args: argparse.Namespace, scores: "list[Score]", setting: "Setting") -> dict[str, str]:
    """Build every output before the first is written."""
    import json
    from functools import partial

    from llava_faba.eval.answers import model_name
    from llava_faba.eval.render.page import html_page
    from llava_faba.eval.render.tables import csv_table, latex_table
    from llava_faba.files import json_text

    def as_json() -> str:
        return json_text([result.as_json() for result in scores])

    def per_sample() -> str:
        rows = [sample.row(result.rules) for result in scores for sample in result.samples]
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def html() -> str:
        picture = None
        if args.thumbnails:
            from llava_faba.eval.render.thumbnail import thumbnail

            picture = partial(thumbnail, image_root=args.image_root)
        return html_page(scores, _table(args, scores), model_name(args.answers[0]), setting, args.compare, picture)

    builders = {
        "json": as_json,
        "csv": lambda: csv_table(scores),
        "latex": lambda: latex_table(_table(args, scores), scores),
        "html": html,
        "per_sample": per_sample,
    }
    return {kind: builders[kind]() for kind in _FILES if getattr(args, kind)}


def _table(args: argparse.Namespace, scores: "list[Score]") -> "Grid":
    from llava_faba.eval.answers import model_name
    from llava_faba.eval.published import published
    from llava_faba.eval.render.report import grid

    return grid(scores, model_name(args.answers[0]), published(scores[0].tally.dataset.name) if args.compare else ())


def _refuse_flags(args: argparse.Namespace) -> None:
    """Refuse what would be ignored, and outputs that would lie where the input is."""
    to_stdout = [f"--{kind.replace('_', '-')}" for kind in _FILES if getattr(args, kind) == "-"]
    if len(to_stdout) > 1:
        raise InputError(
            f"{' and '.join(to_stdout)} would both go to standard output.",
            "One of them can be read there.",
            "Give the others a file.",
        )
    for flag, given, needed, there in (
        ("--thumbnails", args.thumbnails, "--html", args.html),
        ("--image-root", args.image_root, "--thumbnails or --evidence", args.thumbnails or args.evidence),
    ):
        if given and not there:
            raise InputError(
                f"{flag} was given without {needed}.", f"It belongs to {needed}.", f"Add {needed}, or leave {flag} out."
            )
    args.image_root = args.image_root or "."
    # `--json answers.jsonl other.jsonl` would take the first file of answers for the output
    inputs = [*args.answers, *args.paired, *args.references, *([args.groups] if args.groups else [])]
    read = {Path(path).resolve() for path in inputs}
    for kind in _FILES:
        path, flag = getattr(args, kind), f"--{kind.replace('_', '-')}"
        if (
            path
            and path != "-"
            and (Path(path).resolve() in read or (kind != "per_sample" and path.endswith(".jsonl")))
        ):
            raise InputError(
                f"{flag} would write to {path}.",
                "Results go to files of their own, and only --per-sample writes .jsonl.",
                f"Give another file after {flag}, or put {flag} behind the files of answers.",
            )
