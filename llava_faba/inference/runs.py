"""What made a file of answers: the record beside it, by which work is taken up again or refused.

Describe, tables, clips and drafts share it. Two runs with the same record give the same lines, so lines of a run with
another record are never mixed in: another model, question or data set in the same place is refused, and what a changed
model or changed labels have made stale is put aside and made anew.
"""

import hashlib
from pathlib import Path
from typing import Any

from llava_faba import __version__
from llava_faba.errors import InputError
from llava_faba.files import file_hash, read_json, write_json
from llava_faba.processes import say

EDGE_BYTES = 2**20  # of each weight file, at its start and end, that a fingerprint reads
CONTENT = (
    "model_fingerprint",
    "base_fingerprint",
    "data_sha256",
    "files_sha256",
    "calibration",
)  # of what keeps its name


PLACES = ("servers",)  # where the same model answered; a run may go on elsewhere


def start_or_resume(out: Path, record: dict[str, Any], flag: str = "--out") -> None:
    """Write beside `out`, which `flag` named, what makes its lines, or compare it with what is written there.

    Where only the content of the same model or data has changed, the old lines are stale: they move to a file that ends
    in .stale, and `out` begins anew. Raises InputError for the lines of any other run. The caller holds `out`'s lock.
    """
    record = {**record, "llava_faba": __version__}
    place = out.with_name(out.name + ".run.json")
    filled = out.is_file() and out.stat().st_size
    if not place.is_file():
        if filled:
            raise InputError(
                f"{out} is there, and no {place.name} says what made it.",
                "Answers are only added to a run that is known.",
                f"Choose another {flag}, or remove that file.",
            )
        write_json(place, record)
        return
    written = read_json(place, "run record")
    different = [key for key in sorted({*record, *written}) if record.get(key) != written.get(key)]
    if not different:
        return
    if set(different) <= {*PLACES}:
        write_json(place, record)
        return
    if filled and not set(different) <= {*CONTENT, *PLACES, "llava_faba"}:
        listed = "; ".join(f"{key} was {written.get(key)!r}, is {record.get(key)!r}" for key in different)
        raise InputError(
            f"{out} holds the answers of another run: {listed}.",
            "A file of answers comes from one model, one question and one data set.",
            f"Choose another {flag}, or remove that file and its .run.json.",
        )
    if filled:
        aside = out.with_name(out.name + ".stale")
        aside.write_bytes(out.read_bytes())
        say(f"{out} is stale ({', '.join(different)} changed since): kept as {aside.name}, and begun anew")
        with open(out, "r+b") as file:  # not replaced: its writer has it open
            file.truncate(0)
    write_json(place, record)


def fingerprint(folder: Path) -> str:
    """Tell one trained model from another: a hash of its configs and of the sizes, starts and ends of its weights."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin"), *folder.glob("*config.json")]):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with open(file, "rb") as content:
            digest.update(content.read(EDGE_BYTES))
            content.seek(max(0, size - EDGE_BYTES))
            digest.update(content.read(EDGE_BYTES))
    return digest.hexdigest()


def checkpoint_record(model_path: str | Path, model_base: str | Path | None) -> dict[str, Any]:
    """Say which checkpoint it is: its path and base, and what tells a retrained one in the same place apart."""
    config = Path(model_path) / "adapter_config.json"
    base = model_base or (
        read_json(config, "adapter's config").get("base_model_name_or_path") if config.is_file() else None
    )
    return {
        "model": str(model_path),
        "base": base and str(base),
        "model_fingerprint": fingerprint(Path(model_path)),
        "base_fingerprint": fingerprint(Path(base)) if base and Path(base).is_dir() else None,
    }


def data_record(data: Path, image_root: Path | str | None) -> dict[str, Any]:
    """Say which annotations and pictures are read."""
    return {"data": data.name, "data_sha256": file_hash(data), "image_root": str(image_root or data.parent)}
