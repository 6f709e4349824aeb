"""A model's path, or a Space's variables -> the service behind the page; no path -> the starter."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llava_faba.demo import texts
from llava_faba.demo.service import Service
from llava_faba.errors import InputError, MissingFileError, missing_extra
from llava_faba.files import read_json
from llava_faba.model.hub import is_hub_name
from llava_faba.starter.folder import NAME, starter_model

if TYPE_CHECKING:
    from llava_faba.demo.clip_service import ClipService


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
    is_starter = model_path is None
    if model_path is None:
        model_path = str(starter_model())
    on_hub = is_hub_name(model_path)
    if not on_hub and not Path(model_path).expanduser().is_dir():
        raise MissingFileError(
            f"The model {model_path} is not a folder on this disk.",
            "It is the folder that training or merging wrote, a released checkpoint, or OWNER/NAME on the hub.",
            "Check the path; without one the starter answers.",
        )

    if not on_hub and _clip_config(model_path) is not None:
        raise InputError(
            f"The model {model_path} assesses clips, not pictures: its config.json has motion_frames.",
            "--model-path takes a model that describes faces in pictures; the page shows clips beside it.",
            "Give this one as --clip-model-path.",
        )

    def load() -> Any:
        from llava_faba.inference.describer import Describer

        return Describer.from_pretrained(model_path, model_base, device=device, dtype=dtype, **loading)

    name = NAME if is_starter else model_path if on_hub else Path(model_path).name
    return Service(load, name, note=texts.STARTER if is_starter else "", max_new_tokens=max_new_tokens)


def clip_service_of(
    model_path: str | None,
    model_base: str | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    max_new_tokens: int = 256,
) -> "ClipService | None":
    """Return the service of a model that assesses clips, which loads it when it is started.

    Without a path it measures motion only; None where clips cannot be read (without the extra `video`). A folder that
    holds no such model is refused here, before the page is up.
    """
    if find_spec("av") is None:
        if model_path is None:
            return None
        raise missing_extra("av", "video", "The Clip tab")
    if model_path is None:
        from llava_faba.demo.motion_service import MotionService

        return MotionService()
    from llava_faba.demo.clip_service import ClipService
    from llava_faba.vocabulary import EXPRESSIONS

    config = _clip_config(model_path)
    if config is None:
        raise InputError(
            f"The clip model {model_path} is no model that was trained on clips.",
            "It is a folder that scripts/finetune_feqa_lora.sh wrote, with a config.json that has motion_frames.",
            "Check --clip-model-path; a model that describes faces in pictures is given as --model-path.",
        )

    def load() -> Any:
        from llava_faba.video.assessment import Assessor

        return Assessor.from_pretrained(model_path, model_base, device=device, dtype=dtype)

    name = Path(model_path).name
    return ClipService(load, name, config.get("expressions") or EXPRESSIONS, max_new_tokens=max_new_tokens)


def from_environment() -> "tuple[Service, ClipService | None]":
    """Return the services of the models that the environment names.

    LLAVA_FABA_MODEL is a folder or a model of the hub, LLAVA_FABA_REVISION its revision; LLAVA_FABA_CLIP_MODEL is a
    folder.
    """
    keys = ("MODEL", "REVISION", "BASE", "BASE_REVISION", "CLIP_MODEL", "CLIP_BASE")
    named = {key: os.environ.get(f"LLAVA_FABA_{key}") or None for key in keys}
    service = service_of(
        named["MODEL"], named["BASE"], revision=named["REVISION"], base_revision=named["BASE_REVISION"]
    )
    return service, clip_service_of(named["CLIP_MODEL"], named["CLIP_BASE"])


def _clip_config(model_path: str) -> dict[str, Any] | None:
    """The config.json of a model that assesses clips; None for another folder."""
    file = Path(model_path).expanduser() / "config.json"
    config = read_json(file, "config") if file.is_file() else {}
    return config if isinstance(config, dict) and config.get("motion_frames") else None
