"""A model's path, or a Space's variables -> the service behind the page; no path -> the tiny model."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from llava_faba.demo.service import Service
from llava_faba.errors import InputError, MissingFileError, missing_extra

TINY_TOKENS = 64  # a tiny model with random weights does not know when to stop


def service_of(
    model_path: str | None,
    model_base: str | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    max_new_tokens: int = 512,
    **loading: Any,
) -> Service:
    """Return the service of a model, which loads it when it is started; `loading` as `Describer.from_pretrained`.

    A path that is no model's folder is refused here, before the page is up.
    """
    if model_path is None:
        return Service(_load_tiny, "tiny", is_tiny=True, max_new_tokens=min(max_new_tokens, TINY_TOKENS))
    if not Path(model_path).expanduser().is_dir():
        raise MissingFileError(
            f"The model {model_path} is not a folder on this disk.",
            "It is the folder that training or merging wrote, or a released checkpoint.",
            "Check the path; without --model-path a tiny model stands in.",
        )

    def load() -> Any:
        import torch

        from llava_faba.describer import Describer

        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        kind = dtype or ("float32" if where == "cpu" else "float16")
        return Describer.from_pretrained(model_path, model_base, device=where, dtype=kind, **loading)

    return Service(load, Path(model_path).name, max_new_tokens=max_new_tokens)


def from_environment() -> Service:
    """Return the service of the model that LLAVA_FABA_MODEL names, fetched from the hub where it is no folder."""
    path, base = (
        _fetched(os.environ.get(f"LLAVA_FABA_{which}"), os.environ.get(f"LLAVA_FABA_{revision}"), revision)
        for which, revision in (("MODEL", "REVISION"), ("BASE", "BASE_REVISION"))
    )
    service = service_of(path, base)
    service.name = os.environ.get("LLAVA_FABA_MODEL") or service.name
    return service


def _fetched(name: str | None, revision: str | None, variable: str) -> str | None:
    if not name or Path(name).is_dir():
        return name or None
    if not re.fullmatch("[0-9a-f]{40}", revision or ""):
        raise InputError(
            f"The model {name} of the hub is asked for at the revision {revision!r}.",
            "A model of the hub is loaded at one commit, 40 hex digits, so that it is the one that was looked at.",
            f"Set LLAVA_FABA_{variable} to its commit.",
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise missing_extra("huggingface_hub", "demo", "Fetching a model") from error
    # Pickles are left where they are, but for the two that LLaVA's own checkpoints keep projectors in.
    wanted = ["*.json", "*.safetensors", "*.model", "mm_projector.bin", "non_lora_trainables.bin"]
    return snapshot_download(name, revision=revision, allow_patterns=wanted)


def _load_tiny() -> Any:
    from llava_faba.demo.tiny import tiny_describer

    with tempfile.TemporaryDirectory(prefix="llava-faba-tiny-") as folder:
        return tiny_describer(folder)
