"""LoRA checkpoint + base -> one full model, which LLaVA's tools and ours load without the base."""

import shutil
import tempfile
from pathlib import Path

from llava_faba.errors import InputError
from llava_faba.model.checkpoint import base_of, load
from llava_faba.model.classify import classify
from llava_faba.model.tokenizer import copy_tokenizer

SHARD_BYTES = 5 * 10**9


def merge(
    model_path: str | Path,
    model_base: str | Path | None,
    out: str | Path,
    dtype: str | None = None,
    *,
    revision: str | None = None,
    base_revision: str | None = None,
) -> Path:
    """Write the merged model into `out`, whole or not at all; the vision tower stays where config.json names it.

    A whole model is copied, as safetensors. `dtype` defaults to the base model's own. Raises InputError if `out` holds
    anything.
    """
    out = Path(out).expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"The output folder {out} is not empty.",
            "A merged model is written into a folder of its own.",
            "Choose another --out, or empty that one.",
        )
    base = base_of(classify(model_path, revision), model_path, model_base, base_revision)
    stored = base.config.get("torch_dtype") or base.config.get("dtype") or "float16"
    options = {"revision": revision, "base_revision": base_revision}
    _, model, _, _ = load(model_path, model_base, device="cpu", dtype=dtype or stored, **options)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        keep = {name: tensor for name, tensor in model.state_dict().items() if "vision_tower" not in name}
        model.save_pretrained(partial, state_dict=keep, safe_serialization=True, max_shard_size=SHARD_BYTES)
        copy_tokenizer(base.folder, partial)
        partial.chmod(0o755)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out
