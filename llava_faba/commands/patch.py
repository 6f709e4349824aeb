"""Open LLaVA's door to plugins (status, apply, revert), so that LLaVA's own commands run on models with a facial prior.

Without PATH the LLaVA that Python finds is meant. The patch adds five lines to llava/__init__.py; revert restores
every byte.

examples:
  llava-faba patch status
  llava-faba patch apply ~/LLaVA
  llava-faba patch revert ~/LLaVA
"""

import argparse
from pathlib import Path

from llava_faba.errors import MissingDependencyError
from llava_faba.host import fingerprints, patching

AFTER = {"apply": ("not applied", "applied"), "revert": ("applied", "reverted")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["status", "apply", "revert"])
    parser.add_argument("path", nargs="?", type=Path, help="a LLaVA checkout, or the folder that holds llava/")


def run(args: argparse.Namespace) -> int:
    if args.path is None:
        try:
            args.path = fingerprints.installed_llava()
        except MissingDependencyError as error:
            if args.action != "status":
                raise
            print(f"{error}\npatches: {', '.join(patch.name for patch in patching.series())}")
            return 0
    tree = patching.tree_of(args.path)
    if args.action == "status":
        for patch in patching.status(tree):
            print(f"{patch.name}: {patch.state} in {tree / 'llava'}")
        unknown = fingerprints.unknown_files(tree / "llava")
        for file in unknown:
            print(f"llava/{file.file}: unknown version {file.found}; known: {', '.join(file.known)}")
        if not unknown:
            print("LLaVA's files are as llava-faba knows them.")
        return 0
    changing, done = AFTER[args.action]
    for patch in (patching.apply if args.action == "apply" else patching.revert)(tree):
        if patch.state == changing:
            print(f"{patch.name}: {done} in {tree / 'llava'}")
        else:
            print(f"{patch.name}: already {patch.state} in {tree / 'llava'}; nothing was changed")
    return 0
