"""The flags of `describe` that belong together; what does not is refused before anything is loaded."""

import argparse
from pathlib import Path

from llava_faba.commands.servers import check_server
from llava_faba.errors import InputError

BELONGS = {  # flag -> the kinds of input that it is for; others are refused, never ignored
    "csv": ("input",),
    "fps": ("input",),
    "out": ("data",),
    "image_root": ("data",),
    "json": ("image",),
    "evidence": ("image", "input"),
    "neutral": ("image",),
    "crop": ("image", "input"),
    "shard": ("data", "input"),
    "engine": ("data", "input"),
}


def check(args: argparse.Namespace) -> None:
    """Refuse what is missing, what does not belong together and what is out of range, before anything is loaded."""
    check_server(args)
    given = [flag for flag in ("image", "input", "data") if getattr(args, flag)]
    if len(given) != 1:
        flags = " and ".join(f"--{flag}" for flag in given)
        raise InputError(
            f"{flags} were given together." if given else "Neither --image nor --input nor --data was given.",
            "Faces are a few pictures (--image), folders, globs and clips (--input), or an evaluation file (--data).",
            "Give one of them.",
        )
    if args.input and not args.csv:
        raise InputError(
            "--input was given without --csv.",
            "What is said about many faces goes into a table.",
            "Give --csv OUT.csv, or --image to see the answers here.",
        )
    if args.csv and Path(args.csv).is_dir():
        raise InputError(
            f"--csv names the folder {args.csv}.", "A table is a file.", "Give a name in it, ending in .csv."
        )
    for flag, owners in BELONGS.items():
        if getattr(args, flag) and given[0] not in owners:
            own = [f"--{name.replace('_', '-')}" for name, kinds in BELONGS.items() if given[0] in kinds]
            raise InputError(
                f"--{flag.replace('_', '-')} was given with --{given[0]}.",
                f"--{given[0]} takes {', '.join(own)} and what asks the model.",
                f"Leave it out, or give the faces with {' or '.join(f'--{owner}' for owner in owners)}.",
            )
    args.batch_size = (64 if args.server else 16) if args.batch_size is None else args.batch_size
    args.fps = 1.0 if args.fps is None else args.fps
    for flag, value, low in (
        ("--batch-size", args.batch_size, 1),
        ("--max-new-tokens", args.max_new_tokens, 1),
        ("--samples", args.samples, 0),
    ):
        if value < low:
            raise InputError(f"{flag} is {value}.", f"It is {low} or more.", "Choose a larger number.")
    if args.samples and not args.probabilities:
        raise InputError(
            "--samples was given without --probabilities.",
            "Sampled answers are counted for probabilities only.",
            "Add --probabilities, or leave --samples out.",
        )
    if not 0 < args.fps <= 1000:
        raise InputError(
            f"--fps is {args.fps}.", "It lies above 0 and up to 1000.", "Give 1000 for every frame of a clip."
        )
