"""The ranks of a run on several nodes -> one output folder that all of them see, or a refusal.

The first rank of all (RANK 0, not each node's LOCAL_RANK 0) writes the model, run.json and a checkpoint's list; under
DeepSpeed every rank writes its part of a checkpoint beside it. On folders that only look alike, each node's own disk,
a checkpoint would lie in pieces, and a node that sees none would start over while the others go on.
"""

import contextlib
import secrets
import socket
import time
from pathlib import Path

from llava_faba.errors import InputError
from llava_faba.train.ranks import all_parts, of_first_rank, rank_and_ranks

PATIENCE = 15.0  # s: network file systems show a new file late
SHOWN = 8  # ranks that an error names


def refuse_folder_of_one_node(folder: str | Path, flag: str = "--output_dir") -> None:
    """Raise InputError on every rank where some do not see in `folder` what the first one writes; all must call it.

    The folder is left as it was found. Without several ranks nothing is done.
    """
    rank, ranks = rank_and_ranks()
    if ranks == 1:
        return
    folder = Path(folder)
    first, made = rank == 0, not folder.exists()
    name, problem = of_first_rank(_written(folder) if first else None)
    sees = not problem and _appears(folder / name)
    seen: list[tuple[str, bool]] = all_parts((socket.gethostname(), sees))
    if first:
        with contextlib.suppress(OSError):
            (folder / name).unlink()
            if made:
                folder.rmdir()
    if problem:
        raise InputError(
            f"{flag} {folder} cannot be written to by the first rank: {problem}.",
            "It is a folder that all nodes share.",
            "Correct the path or its permissions.",
        )
    blind = [f"rank {rank} on {host}" for rank, (host, found) in enumerate(seen) if not found]
    if blind:
        more = f" and {len(blind) - SHOWN} more" if len(blind) > SHOWN else ""
        raise InputError(
            f"{flag} {folder} is not one folder: what rank 0 on {seen[0][0]} writes there is not seen by "
            f"{', '.join(blind[:SHOWN])}{more}.",
            "All ranks write and resume from one folder, which the nodes share under the same path.",
            "Give a folder on a shared file system (NFS, Lustre, a ReadWriteMany volume), absolute; data, images and "
            "base model may be copies on each node.",
        )


def _written(folder: Path) -> tuple[str, str]:
    """The name of a file that is written into `folder`, and what kept it from being written, if anything."""
    name = f".rank-0-{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    except OSError as error:
        return name, str(error)
    return name, ""


def _appears(file: Path) -> bool:
    end = time.monotonic() + PATIENCE
    while not file.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
