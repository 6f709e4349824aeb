"""LoRA checkpoint + base -> one full model, which LLaVA's tools and ours load without the base."""

import shutil
import tempfile
from pathlib import Path

import torch

from llava_faba.errors import InputError
from llava_faba.host import compat
from llava_faba.model.checkpoint import load, named_base, read_config
from llava_faba.model.tokenizer import copy_tokenizer

SHARD_BYTES = 5 * 10**9


def merge(model_path: str | Path, model_base: str | Path | None, out: str | Path, dtype: str | None = None) -> Path:
    """Write the merged model into `out`, whole or not at all; the vision tower stays where config.json names it.

    `dtype` defaults to the base model's own. Raises InputError if `out` holds anything.
    """
    out = Path(out).expanduser()
    if out.exists() and any(out.iterdir()):
        raise InputError(
            f"The output folder {out} is not empty.",
            "A merged model is written into a folder of its own.",
            "Choose another --out, or empty that one.",
        )
    base = Path(model_base or named_base(Path(model_path)))
    compat.apply()
    dtype = dtype or _stored_dtype(base)
    _, model, _, _ = load(model_path, model_base, dtype=dtype)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        keep = {name: tensor for name, tensor in model.state_dict().items() if "vision_tower" not in name}
        model.save_pretrained(partial, state_dict=keep, safe_serialization=True, max_shard_size=SHARD_BYTES)
        copy_tokenizer(base, partial)
        partial.chmod(0o755)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _stored_dtype(folder: Path) -> str:
    config = read_config(folder)
    stored = getattr(config, "dtype", None) or getattr(config, "torch_dtype", None) or torch.float16
    return str(stored).removeprefix("torch.")
