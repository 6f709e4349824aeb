"""Apply and revert our patch on a LLaVA tree that the user points at; the only module that edits files of LLaVA.

git does the work: `git apply` checks every hunk before it writes a byte, so a series goes on whole or not at all, and
its reverse restores every byte.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from llava_faba.errors import InputError, MissingDependencyError, MissingFileError


@dataclass(frozen=True)
class PatchState:
    """One patch of the series and how it stands in a tree."""

    name: str
    state: str  # "applied", "not applied" or "does not fit"


def series() -> list[Path]:
    """Return our patches, in their order."""
    installed = find_spec("llava_faba.patches")
    folder = (
        Path(next(iter(installed.submodule_search_locations)))
        if installed and installed.submodule_search_locations
        else Path(__file__).resolve().parents[2] / "patches"
    )
    return [folder / name for name in (folder / "series").read_text().split()]


def tree_of(path: Path | str) -> Path:
    """Return the folder that holds `llava/`, given it or `llava/` itself."""
    path = Path(path).expanduser().resolve()
    for root in (path, path.parent):
        if (root / "llava" / "model" / "llava_arch.py").is_file() and path in (root, root / "llava"):
            return root
    raise MissingFileError(
        f"{path} is no LLaVA tree: there is no llava/model/llava_arch.py in it.",
        "The path is a checkout of LLaVA, or the site-packages folder with its wheel, or the llava folder itself.",
        "Point at that folder, for example: llava-faba patch status ~/LLaVA",
    )


def status(tree: Path) -> list[PatchState]:
    """Say of each patch whether it is applied in `tree`."""
    return [PatchState(patch.name, _state(tree, patch)) for patch in series()]


def apply(tree: Path) -> list[PatchState]:
    """Apply what is not applied yet; return the state before. Nothing is written if one patch does not fit."""
    return _change(tree, "not applied", reverse=False)


def revert(tree: Path) -> list[PatchState]:
    """Take off what is applied; return the state before. Nothing is written if one patch does not fit."""
    return _change(tree, "applied", reverse=True)


def _change(tree: Path, wanted: str, reverse: bool) -> list[PatchState]:
    before = status(tree)
    misfits = [patch.name for patch in before if patch.state == "does not fit"]
    if misfits:
        raise InputError(
            f"{', '.join(misfits)} does not fit {tree / 'llava'}: the lines it changes are others there.",
            "The patch fits llava/__init__.py as in llava-torch 1.2.2.post1 and on LLaVA's main at c121f04.",
            "Nothing was changed. Restore that file, or add the patch's lines to it by hand.",
        )
    chosen = [patch for patch, state in zip(series(), before, strict=True) if state.state == wanted]
    if chosen:
        ran = _git(tree, *(["-R"] if reverse else []), *map(str, reversed(chosen) if reverse else chosen))
        if ran.returncode:
            raise InputError(
                f"git could not write to {tree / 'llava'}: {ran.stderr.strip()}.",
                "The files must be yours to write.",
                "Nothing was changed. Check the folder's permissions and run the same command again.",
            )
    return before


def _state(tree: Path, patch: Path) -> str:
    if _git(tree, "--check", str(patch)).returncode == 0:
        return "not applied"
    return "applied" if _git(tree, "--check", "-R", str(patch)).returncode == 0 else "does not fit"


def _git(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("git") is None:
        raise MissingDependencyError(
            "There is no git command here.",
            "`llava-faba patch` lets git apply the patch.",
            "Install git and try again.",
        )
    # A tree inside another repository (a virtual environment in a project, say) is no part of it: without the ceiling
    # git would look for the files in that repository, skip them all and report success.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment["GIT_CEILING_DIRECTORIES"] = str(tree.parent)
    return subprocess.run(
        ["git", "-c", "core.autocrlf=false", "apply", *arguments],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
