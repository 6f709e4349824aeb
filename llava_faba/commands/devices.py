"""Where a model runs and what finds faces: --device, --dtype and --detector, the same for every command."""

import argparse

from llava_faba.errors import InputError

DTYPES = ("float32", "float16", "bfloat16")


def add_device(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add --device and --dtype."""
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: cuda where there is one, else cpu)")
    parser.add_argument("--dtype", help=f"{', '.join(DTYPES)} (default: float32 on a cpu, float16 on cuda)")


def choose_device(args: argparse.Namespace) -> None:
    """Fill in `args.device` and `args.dtype`; raises InputError for a device that this machine has not."""
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    args.device = args.device or ("cuda" if there else "cpu")
    known = ["cpu", *(["cuda", *(f"cuda:{n}" for n in range(there))] if there else [])]
    if args.device not in known:
        raise InputError(
            f"--device is {args.device!r}.",
            f"This machine has {', '.join(known)}.",
            "Give one of them, or leave it out.",
        )
    args.dtype = args.dtype or ("float32" if args.device == "cpu" else "float16")
    if args.dtype not in DTYPES:
        raise InputError(f"--dtype is {args.dtype!r}.", f"It is one of {', '.join(DTYPES)}.", "Choose one of these.")


def select_detector(name: str) -> None:
    """Let faces be searched with the named detector; InputError where its model file is not here."""
    if name == "dlib":
        return
    from llava_faba.face.crop import choose_detector
    from llava_faba.face.model_files import require_model

    choose_detector(name, require_model("det_10g", "The detector insightface") if name == "insightface" else None)
