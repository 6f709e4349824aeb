"""Write a model card from a training run's own record: data, prior, flags, scores with signatures, use and limits.

The card goes beside the model as README.md, where the hub looks for it. One that is there is kept without --force,
unless it is the blank form that PEFT writes beside every adapter.

examples:
  llava-faba card checkpoints/llava-v1.5-7b-faba-lora
  llava-faba card checkpoints/llava-v1.5-7b-faba-lora --scores scores.json --licence llama2 --name my-faba
  llava-faba card checkpoints/llava-v1.5-7b-faba-lora --out -
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the output folder of a training run, with its run.json")
    parser.add_argument(
        "--scores",
        nargs="+",
        default=[],
        metavar="SCORES.json",
        help="what score --json (of clips: evaluate-clips --json) wrote",
    )
    parser.add_argument("--name", help="the model's name (default: its folder's)")
    parser.add_argument("--licence", help="the licence you give the model, as the hub writes it (apache-2.0, llama2)")
    parser.add_argument("--out", help="where the card goes; - for standard output (default: MODEL/README.md)")
    parser.add_argument("--force", action="store_true", help="replace a card that is there")


def run(args: argparse.Namespace) -> None:
    from llava_faba.errors import InputError
    from llava_faba.files import write_atomically
    from llava_faba.train.card import is_placeholder, model_card

    text = model_card(args.model, args.scores, args.name, args.licence)
    if args.out == "-":
        print(text, end="")
        return
    out = Path(args.out) if args.out else Path(args.model).expanduser() / "README.md"
    if out.exists() and not args.force and not is_placeholder(out.read_text(errors="replace")):
        raise InputError(
            f"The card {out} is there already.", "A card is not replaced unasked.", "Give --force, or another --out."
        )
    print(f"written to {write_atomically(out, text)}; read it before you publish it")
