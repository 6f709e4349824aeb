"""A model's path, or a Space's variables -> the service behind the page; no path -> the tiny model."""

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llava_faba.demo.service import Service
from llava_faba.errors import InputError, MissingFileError, missing_extra
from llava_faba.files import read_json
from llava_faba.model.hub import is_hub_name

if TYPE_CHECKING:
    from llava_faba.demo.clip_service import ClipService
    from llava_faba.inference.describer import Describer

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
    on_hub = is_hub_name(model_path)
    if not on_hub and not Path(model_path).expanduser().is_dir():
        raise MissingFileError(
            f"The model {model_path} is not a folder on this disk.",
            "It is the folder that training or merging wrote, a released checkpoint, or OWNER/NAME on the hub.",
            "Check the path; without one a tiny model stands in.",
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

    name = model_path if on_hub else Path(model_path).name
    return Service(load, name, max_new_tokens=max_new_tokens)


def clip_service_of(
    model_path: str,
    model_base: str | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    max_new_tokens: int = 256,
) -> "ClipService":
    """Return the service of a model that assesses clips, which loads it when it is started.

    A folder that holds no such model is refused here, before the page is up.
    """
    if find_spec("av") is None:
        raise missing_extra("av", "video", "The Clip tab")
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
    return service, clip_service_of(named["CLIP_MODEL"], named["CLIP_BASE"]) if named["CLIP_MODEL"] else None


def _clip_config(model_path: str) -> dict[str, Any] | None:
    """The config.json of a model that assesses clips; None for another folder."""
    file = Path(model_path).expanduser() / "config.json"
    config = read_json(file, "config") if file.is_file() else {}
    return config if isinstance(config, dict) and config.get("motion_frames") else None


def _load_tiny() -> Any:
    pass

    with tempfile.TemporaryDirectory(prefix="llava-faba-tiny-") as folder:
        return tiny_describer(folder)


HIDDEN = 128
LOUDER = 5  # times the usual spread of fresh weights


def tiny_describer(folder: str | Path) -> "Describer":
    """Make a tiny LLaVA with the facial prior dlib_68 in `folder`, and load it."""
    import torch

    from llava_faba.data.prompts import EMOTION_INSTRUCTIONS, QUESTIONS
    from llava_faba.host import compat
    from llava_faba.inference.describer import Describer
    from llava_faba.model.checkpoint import load
    from llava_faba.model.tiny import TinySize, make_tiny_llava
    from llava_faba.vocabulary import AU_NAMES, EMOTIONS

    compat.apply()
    answers = [f"The face shows {emotion.lower()}. " for emotion in EMOTIONS]
    answers += [f"AU{number}, the {name}, is present. " for number, name in AU_NAMES.items()]
    texts = [f"USER: {question} ASSISTANT: {' '.join(answers)}" for question in (*QUESTIONS.values(), "Why?")]
    texts = (texts + list(EMOTION_INSTRUCTIONS)) * 4
    path = make_tiny_llava(folder, texts, size=TinySize(hidden=HIDDEN, heads=4, vocabulary=700))
    tokenizer, model, processor, _ = load(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = model.config
        config.facial_prior_tower, config.facial_prior_hidden_size = "dlib_68", 136
        config.facial_prior_dropout = 0.1  # with a learned empty prior, so that the prior can be left out
        model.get_model().build_facial_prior()
        with torch.no_grad():  # louder than at the start of training, so that faces get different answers
            for name, parameter in model.named_parameters():
                if "self_attn" in name or "projector" in name or ("mlp" in name and "vision_tower" not in name):
                    parameter.mul_(LOUDER)
    return Describer(tokenizer, model.eval(), processor)
