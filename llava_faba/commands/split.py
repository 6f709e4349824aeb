"""Split a FABA-Instruct file into train.json, validation.json and test.json, kept apart and with labels alike.

No subject is in two parts (--subjects, --subject-pattern, or `subject` in the samples), and no picture whose file,
pixels or perceptual hash is that of another. Every such pair is listed in split.json, with the seed and the hashes of
all files. Validation and test are written as evaluation samples. Needs the extra [annotate] (ImageHash).

examples:
  llava-faba split emotion.json --image-root faces --out data/emotion
  llava-faba split au.json --image-root faces --out data/au --test 0.2 --validation 0 --subject-pattern '^[FM][0-9]+'
  llava-faba split train.json --image-root faces --out data/clean --against eval.json
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", type=Path, metavar="DATA.json", help="a FABA-Instruct file")
    add("--image-root", type=Path, required=True, help="the folder that images are relative to")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the parts and split.json")
    add("--validation", type=float, default=0.1, help="share of the samples; 0: none (default: 0.1)")
    add("--test", type=float, default=0.1, help="share of the samples; 0: none (default: 0.1)")
    add("--seed", type=int, default=0, help="another seed, another split (default: 0)")
    add("--subjects", type=Path, metavar="CSV", help="columns image and subject")
    add("--subject-pattern", metavar="REGEX", help="what it finds in an image's path is the subject")
    add("--near", type=int, default=40, help="pictures are the same up to so many of 256 bits (default: 40)")
    add("--against", type=Path, metavar="TEST.json", help="leave out what duplicates a picture of this file")
    add("--json", nargs="?", const="-", metavar="OUT", help="write split.json's content; - or nothing: stdout")


def run(args: argparse.Namespace) -> None:
    import json
    import sys

    from llava_faba.engine.readings import read_entries
    from llava_faba.engine.split import RECORD, read_subjects, split_file
    from llava_faba.errors import InputError
    from llava_faba.files import write_json

    shares = {name: share for name, share in (("validation", args.validation), ("test", args.test)) if share}
    if not (all(share > 0 for share in shares.values()) and sum(shares.values()) < 1 and 0 <= args.near <= 128):
        raise InputError(
            f"--validation is {args.validation:g}, --test {args.test:g} and --near {args.near}.",
            "The shares are 0 or more and together under 1; --near lies between 0 and 128.",
            "Give for example --validation 0.1 --test 0.1.",
        )
    subjects = None
    if args.subjects or args.subject_pattern:
        subjects = read_subjects(args.subjects, args.subject_pattern, read_entries(args.data))
    record = split_file(args.data, args.image_root, args.out, shares, args.seed, subjects, args.near, args.against)
    for name, part in record["parts"].items():
        labels = ", ".join(f"{label} {count}" for label, count in part["labels"].items())
        print(f"{args.out / name}.json: {part['samples']} samples ({labels})", file=sys.stderr)
    listed = f"{len(record['duplicates'])} pairs of duplicates, each in one part; {len(record['left_out'])} left out"
    print(f"{listed}; all are in {args.out / RECORD}", file=sys.stderr)
    if args.json == "-":
        print(json.dumps(record, indent=1))
    elif args.json:
        write_json(args.json, record)
