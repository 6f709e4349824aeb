"""Split annotated clips by patient into train.json, validation.json and test.json; no patient is in two of them.

DATA is a PFED5+ style JSON or PFED5's csv. Shares are of the patients, and the same seed gives the same split. The
validation set makes the severity's interval and chooses nothing; the test set is for `evaluate-clips`. An interval of
90 % needs 9 validation patients or more: with fewer it is the whole scale.

examples:
  llava-faba split-clips clips.json --image-root clips --out data/feqa
  llava-faba split-clips pfed5.csv --image-root PFED5/frames --validation 0.1 --test 0.2 --seed 1 --out data/pfed5
"""

import argparse
import sys
from itertools import combinations
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="annotated clips, .json or PFED5's .csv")
    parser.add_argument("--image-root", type=Path, required=True, help="the folder that clips are relative to")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the three files")
    parser.add_argument("--validation", type=float, default=0.15, help="share of the patients (default: 0.15)")
    parser.add_argument("--test", type=float, default=0.15, help="share of the patients; 0: none (default: 0.15)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another split (default: 0)")


def run(args: argparse.Namespace) -> None:
    from llava_faba.data.clips import as_entry, read_samples, split_by_patient
    from llava_faba.data.leakage import marks_of, shared_marks
    from llava_faba.errors import InputError
    from llava_faba.files import write_json
    from llava_faba.video.interval import patients_needed

    if not (args.validation > 0 and args.test >= 0 and args.validation + args.test < 1):
        raise InputError(
            f"--validation is {args.validation:g} and --test {args.test:g}.",
            "They are shares of the patients: --validation above 0, --test 0 or more, together under 1.",
            "Give for example --validation 0.15 --test 0.15.",
        )
    rest = read_samples(args.data, args.image_root)
    parts = {"test": [], "validation": []}
    for name, share in (("test", args.test), ("validation", args.validation / (1 - args.test))):
        if share:
            kept, chosen = split_by_patient(rest, share, args.seed)
            parts[name], rest = [rest[index] for index in chosen], [rest[index] for index in kept]
    sets = {"train": rest, **dict(reversed(parts.items()))}
    for (one, ours), (other, theirs) in combinations(sets.items(), 2):
        shared = shared_marks(marks_of(ours), marks_of(theirs))
        if shared["files"] or shared["ids"]:
            print(
                f"warning: {one} and {other} share {shared['files']} files and {shared['ids']} ids, of different "
                "patients as annotated; training refuses them",
                file=sys.stderr,
            )
    known = len({sample.patient for sample in parts["validation"]})
    if known < patients_needed():
        print(
            f"warning: {known} validation patients: the 90 % interval is the whole scale below {patients_needed()}",
            file=sys.stderr,
        )
    for name, samples in sets.items():
        if samples:
            file = write_json(args.out / f"{name}.json", [as_entry(sample) for sample in samples])
            print(f"{file}: {len(samples)} clips of {len({sample.patient for sample in samples})} patients")
    print(
        f"next: DATA={args.out / 'train.json'} VALIDATION={args.out / 'validation.json'} "
        + (f"TEST={args.out / 'test.json'} " if parts["test"] else "")
        + f"CLIPS={args.image_root} bash scripts/finetune_feqa_lora.sh"
    )
