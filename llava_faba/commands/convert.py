"""Turn a labelled data set into FABA-Instruct files: an instruction and the answer "Happiness" or "AU1, AU4".

Writes train.json and eval.json into --out; for bp4d and disfa fold1/ to fold3/, subject-exclusive, and folds.json.
What had to be left out (no picture, an AU that is not coded) is counted, and listed in left_out.jsonl.

  csv     columns image and label (or AU1, AU2, ... with 0 and 1); pictures relative to their CSV's folder
  raf-db  basic/EmoLabel/list_patition_label.txt and basic/Image/aligned/; its own division
  bp4d    AUCoding/AU_OCC/F001_T1.csv and the frames F001/T1/2440.jpg; 12 AUs, three folds
  disfa   ActionUnit_Labels/SN001/SN001_au1.txt and frames img/SN001/0.png; 8 AUs, active from intensity 2, three folds
  gft     001A.csv a participant in folders train and test, and a folder of frames a participant; 10 AUs

examples:
  llava-faba convert csv --train faces/train.csv --eval faces/eval.csv --task emotion --out data/faces
  llava-faba convert raf-db ~/RAF-DB --out data/raf-db
  llava-faba convert disfa ~/DISFA --images ~/DISFA-crops --out data/disfa
"""

import argparse
from pathlib import Path

LAYOUTS = ("csv", "raf-db", "bp4d", "disfa", "gft")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("layout", choices=LAYOUTS, help="the data set's layout")
    parser.add_argument("root", nargs="?", type=Path, help="the data set's root folder (all but csv)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the FABA-Instruct files")
    parser.add_argument("--train", type=Path, metavar="CSV", help="csv: pictures to train on")
    parser.add_argument("--eval", type=Path, metavar="CSV", help="csv: pictures to evaluate on")
    parser.add_argument("--task", choices=["emotion", "au"], help="csv: what the labels are")
    parser.add_argument(
        "--image-root", type=Path, help="csv: the folder that pictures are relative to (default: each CSV's own)"
    )
    parser.add_argument(
        "--images", type=Path, help="bp4d, disfa, gft: the folder of frames or crops, if not the root's"
    )
    parser.add_argument("--test-subjects", type=Path, metavar="FILE", help="gft: test participants, a line each")
    parser.add_argument(
        "--questions",
        choices=["varied", "fixed"],
        default="varied",
        help="ask one of 100 instructions (varied, the default), or always the question of the evaluation (fixed)",
    )


def run(args: argparse.Namespace) -> None:
    from llava_faba.data import convert as tables
    from llava_faba.data import layouts
    from llava_faba.data import layouts as protocols
    from llava_faba.data.convert import label_counts, write_conversion
    from llava_faba.files import existing_file

    _refuse_strangers(args)
    folds: tuple[list[str], ...] = ()
    task = "au"
    if args.layout == "csv":
        task, layout = args.task, tables.read_csv(args.train, args.eval, args.task, args.image_root)
    elif args.layout == "raf-db":
        task, layout = "emotion", layouts.read_raf_db(args.root)
    elif args.layout == "bp4d":
        layout, folds = layouts.read_bp4d(args.root, args.images), protocols.BP4D_FOLDS
    elif args.layout == "disfa":
        layout, folds = layouts.read_disfa(args.root, args.images), protocols.DISFA_FOLDS
    else:
        listed = (
            args.test_subjects and existing_file(args.test_subjects, "list of test participants").read_text().split()
        )
        layout = layouts.read_gft(args.root, args.images, set(listed) if listed else None)
    record = write_conversion(layout, args.out, source=args.layout, task=task, questions=args.questions, folds=folds)
    for name, count in record["samples"].items():
        print(f"{args.out / name}: {count} samples")
    print("labels: " + ", ".join(f"{label} {count}" for label, count in label_counts(layout.faces).items()))
    if layout.left_out:
        first = layout.left_out[0]
        print(
            f"left out: {len(layout.left_out)}, the first {first['image']}: {first['reason']}; "
            f"all are in {args.out / 'left_out.jsonl'}"
        )
    print(f"next: llava-faba doctor {args.out / next(iter(record['samples']))} --image-root {layout.image_root}")


def _refuse_strangers(args: argparse.Namespace) -> None:
    from llava_faba.errors import InputError, MissingFileError

    needed = {"csv": ("task",)}.get(args.layout, ("root",))
    allowed = {
        "csv": ("train", "eval", "task", "image_root"),
        "raf-db": ("root",),
        "gft": ("root", "images", "test_subjects"),
    }
    allowed = allowed.get(args.layout, ("root", "images"))
    names = ("root", "train", "eval", "task", "image_root", "images", "test_subjects")
    flags = {name: "ROOT" if name == "root" else f"--{name.replace('_', '-')}" for name in names}
    missing = [flags[name] for name in needed if getattr(args, name) is None]
    strange = [flags[name] for name in names if name not in allowed and getattr(args, name) is not None]
    if missing or strange:
        raise InputError(
            f"`convert {args.layout}` was called " + (f"without {missing[0]}." if missing else f"with {strange[0]}."),
            f"It takes {', '.join(flags[name] for name in allowed)}, and needs {flags[needed[0]]}.",
            "See: llava-faba convert --help",
        )
    for name in ("root", "images", "image_root"):
        folder = getattr(args, name)
        if folder is not None and not folder.is_dir():
            raise MissingFileError(
                f"The folder {folder} does not exist.", f"{flags[name]} is a folder.", "Check the path."
            )
