"""checkpoint-N folders: which of them are whole, and the newest of these to resume from.

`COMPLETE` is written into a checkpoint last and lists its files with their sizes; without it, or with a file that is
not there as it says, a checkpoint is damaged and is passed over.
"""

import json
import re
import shutil
from pathlib import Path

from llava_faba.errors import InputError
from llava_faba.files import write_json

COMPLETE = "COMPLETE"


def mark_complete(folder: Path) -> None:
    """Write the list of a checkpoint's files and sizes in bytes; all ranks must have written theirs."""
    write_json(folder / COMPLETE, {"files": {name: path.stat().st_size for name, path in _files(folder).items()}})


def defect(folder: Path) -> str | None:
    """Say what is wrong with a checkpoint; None where it is whole."""
    try:
        listed = json.loads((folder / COMPLETE).read_bytes())["files"].items()
    except FileNotFoundError:
        return f"it has no {COMPLETE}: saving it was interrupted, or stock LLaVA wrote it, without the projectors"
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return f"its {COMPLETE} cannot be read"
    there = _files(folder)
    for name, size in listed:
        if name not in there:
            return f"{name} is missing"
        if there[name].stat().st_size != size:
            return f"{name} has {there[name].stat().st_size} bytes instead of {size}"
    return None


def newest_complete(output_dir: str | Path) -> tuple[Path | None, list[str]]:
    """Return the newest whole checkpoint (None where there is no checkpoint), and a line for each newer damaged one.

    Raises InputError when there are checkpoints and none is whole.
    """
    passed_over = []
    for folder in reversed(_checkpoints(Path(output_dir))):
        reason = defect(folder)
        if reason is None:
            return folder, passed_over
        passed_over.append(f"{folder.name} is passed over: {reason}.")
    if passed_over:
        raise InputError(
            f"No checkpoint in {output_dir} can be resumed from. {' '.join(passed_over)}",
            "A whole checkpoint holds the adapter, the trained projectors, the optimiser and their list.",
            "Remove the checkpoint folders to start over, or choose another --output_dir.",
        )
    return None, []


def make_room(folder: Path) -> None:
    """Remove what an interrupted run left where a checkpoint is about to be written."""
    for leftover in (folder, folder.with_name(f"tmp-{folder.name}")):  # transformers 4.37 writes into the latter first
        shutil.rmtree(leftover, ignore_errors=True)


def prune(output_dir: str | Path, limit: int | None) -> None:
    """Remove all but the newest `limit` checkpoints; called when the newest is complete, so that one always is."""
    if limit:
        for folder in _checkpoints(Path(output_dir))[:-limit]:
            shutil.rmtree(folder, ignore_errors=True)


def _checkpoints(output_dir: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    folders = [path for path in output_dir.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted((path for path in folders if path.is_dir()), key=lambda path: int(path.name.split("-")[1]))


def _files(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != COMPLETE
    }
