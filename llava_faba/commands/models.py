"""The model files that some priors need: what there is, where it is looked for, and how to fetch it.

`list` shows each file, its size, licence and whether it is here; `path NAME` prints where it is; `get NAME` fetches it
once you accept its licence, checks size and SHA-256 and keeps it in the cache. dlib_68 needs none of them.

examples:
  llava-faba models list
  llava-faba models get 2d106det --accept-licence
  llava-faba models path 2d106det
"""

import argparse
import sys
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "get", "path"])
    parser.add_argument("name", nargs="?", metavar="NAME", help="a model file; see list")
    parser.add_argument("--accept-licence", action="store_true", help="get: you accept the licence that list shows")
    parser.add_argument("--to", metavar="DIR", help="get: the folder to put it in (default: the cache)")
    parser.add_argument("--url", help="get: another address of the same file")
    parser.add_argument("--timeout", type=float, default=30.0, help="get: seconds without a byte (default: 30)")
    parser.add_argument("--json", nargs="?", const="-", metavar="OUT", help="list: write JSON; - or nothing: stdout")


def run(args: argparse.Namespace) -> int:
    from llava_faba.commands.output import emit_json
    from llava_faba.errors import InputError
    from llava_faba.face.model_files import BROUGHT, MODELS, describe_places, require_model

    mine = {"list": ("json",), "get": ("accept_licence", "to", "url"), "path": ()}[args.action]
    for flag in ("json", "accept_licence", "to", "url"):
        if getattr(args, flag) and flag not in mine:
            raise InputError(
                f"--{flag.replace('_', '-')} was given with `models {args.action}`.",
                f"It takes {', '.join(f'--{name}' for name in mine).replace('_', '-') or 'no such flag'}.",
                "Leave it out.",
            )
    if args.action == "list":
        table = [_row(model) for model in MODELS.values()]
        if args.json:
            emit_json(table, args.json)
        else:
            for row in table:
                print(f"{row['file']}  ({row['name']}, {row['size'] / 1e6:.1f} MB, for {row['used_by']})")
                print(f"  licence: {row['licence']}")
                print(f"  sha256:  {row['sha256']}")
                print(f"  here:    {row['path'] or 'no'}{'' if row['known'] in (None, True) else ' (other content)'}")
            print("brought along by packages, nothing to fetch:")
            for name, source, licence in BROUGHT:
                print(f"{name}  ({source})\n  licence: {licence}")
            print(f"looked for in: {describe_places()}")
        return 0
    if not args.name:
        raise InputError(
            f"`models {args.action}` was given no NAME.", f"Known are: {', '.join(MODELS)}.", "Name one of them."
        )
    if args.action == "path":
        print(require_model(args.name, "`models path`"))
        return 0
    return _get(args)


def _row(model: Any) -> dict[str, Any]:
    from llava_faba.face.model_files import find_model, is_known_content

    found = find_model(model.name)
    return {
        **vars(model),
        "path": None if found is None else str(found),
        "known": None if found is None else is_known_content(model, found),
    }


def _get(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from llava_faba.face.model_files import get_model, model_of

    model = model_of(args.name)
    print(f"{model.file}: {model.licence}", file=sys.stderr)
    with tqdm(total=model.size, unit="B", unit_scale=True, desc=model.file, disable=None) as bar:
        path = get_model(
            model.name,
            accept_licence=args.accept_licence,
            folder=args.to,
            url=args.url,
            silence=args.timeout,
            on_bytes=bar.update,
        )
    print(path)
    return 0
