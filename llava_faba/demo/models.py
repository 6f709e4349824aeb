"""A model's path, or a Space's variables -> the service behind the page; no path -> the tiny model."""

import os
import tempfile
from pathlib import Path
from typing import Any

from llava_faba.demo.service import Service
from llava_faba.errors import MissingFileError

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
    if loading.get("revision") is None and not Path(model_path).expanduser().is_dir():
        raise MissingFileError(
            f"The model {model_path} is not a folder on this disk.",
            "It is the folder that training or merging wrote, or a released checkpoint.",
            "Check the path; a model of the hub needs its revision, and without a path a tiny model stands in.",
        )

    def load() -> Any:
        import torch

        from llava_faba.describer import Describer

        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        kind = dtype or ("float32" if where == "cpu" else "float16")
        return Describer.from_pretrained(model_path, model_base, device=where, dtype=kind, **loading)

    name = model_path if loading.get("revision") else Path(model_path).name
    return Service(load, name, max_new_tokens=max_new_tokens)


def from_environment() -> Service:
    """Return the service of the model that LLAVA_FABA_MODEL names: a folder, or with a revision a model of the hub."""
    named = {key: os.environ.get(f"LLAVA_FABA_{key}") or None for key in ("MODEL", "REVISION", "BASE", "BASE_REVISION")}
    return service_of(named["MODEL"], named["BASE"], revision=named["REVISION"], base_revision=named["BASE_REVISION"])


def _load_tiny() -> Any:
    from llava_faba.demo.tiny import tiny_describer

    with tempfile.TemporaryDirectory(prefix="llava-faba-tiny-") as folder:
        return tiny_describer(folder)
