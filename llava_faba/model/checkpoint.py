"""Checkpoint -> model: load what we, LLaVA and EmoLA's released code trained, every weight accounted for.

`classify` says what a folder or a hub name is; a whole model is loaded as it is, an adapter or a projector onto its
base model. docs/models.md lists the checkpoints that people have.
"""

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from llava_faba.errors import InputError, MissingFileError
from llava_faba.host import compat
from llava_faba.host.fingerprints import LLAVA_TYPES
from llava_faba.model.adapter import apply_adapter
from llava_faba.model.classify import CLIP_MODELS, KINDS, Checkpoint, classify, reads_tiles, refuse_tiles
from llava_faba.model.hub import config_of, is_hub_name
from llava_faba.model.placing import placing
from llava_faba.model.tokenizer import load_tokenizer
from llava_faba.model.weights import PRIOR_PREFIX, put_projectors, read_projectors, require_prior_weights


@dataclass(frozen=True)
class LoadedFrom:
    """Where a loaded model is from (`model.loaded_from`); commits are those of the hub, None for folders."""

    model: str
    commit: str | None
    base: str | None
    base_commit: str | None
    folder: Path  # of the model itself, in the hub's cache too

    def record(self) -> dict[str, str | None]:
        """Return what a run's record says of it."""
        return {key: value for key, value in asdict(self).items() if key != "folder"}


def load(
    model_path: str | Path,
    model_base: str | Path | None = None,
    *,
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
    load_8bit: bool = False,
    load_4bit: bool = False,
    revision: str | None = None,
    base_revision: str | None = None,
    device_map: Any = None,
    facial_prior_model: str | Path | None = None,
    model_class: Any = None,
    **loading: Any,
) -> tuple[Any, Any, Any, int]:
    """Load a checkpoint; return LLaVA's tuple (tokenizer, model, image_processor, context_len).

    A path is a folder, or OWNER/NAME on the Hugging Face hub at a `revision` (a branch, a tag or a commit).
    `model_base` is the model that an adapter or a projector belongs to; an adapter that names one that is here needs
    none. `device` is CUDA where there is one, `dtype` float32 on a CPU and else float16; a `device_map` as transformers
    takes it spreads a model over several GPUs. `load_8bit` and `load_4bit` need bitsandbytes. `facial_prior_model` is
    the prior's model file where it is not where the model was trained. Other keywords go to `from_pretrained`, e.g.
    attn_implementation. Raises InputError where a file or a weight is missing or not as expected.
    """
    compat.apply()
    model_class = model_class or _model_class()
    checkpoint = classify(model_path, revision)
    base = base_of(checkpoint, model_path, model_base, base_revision)
    config = _configuration(checkpoint, base, model_path, model_class)
    if facial_prior_model is not None:
        config.facial_prior_model = str(facial_prior_model)
    place = placing(device, dtype, load_8bit=load_8bit, load_4bit=load_4bit, device_map=device_map)

    # 1. What was trained beside the base, checked before gigabytes are read.
    projectors = read_projectors(checkpoint.folder) if base is not checkpoint else {}
    if base is not checkpoint and (
        base.config.get("model_type") == "llama"
        or any(name.startswith(PRIOR_PREFIX) for name in projectors)
        or not (base.config.get("facial_prior_tower") or base.key_map)
    ):
        require_prior_weights(config, projectors, checkpoint.folder)

    # 2. The whole model, or the base; then projectors and adapter.
    if base is checkpoint:
        model = model_class.from_pretrained(base.folder, config=config, **place, **loading)
    else:
        elsewhere = projectors.keys()
        model = model_class.from_base(base.folder, checkpoint.folder, config, elsewhere=elsewhere, **place, **loading)
        put_projectors(model, projectors, checkpoint.folder)
    if checkpoint.kind == "lora":
        apply_adapter(model, checkpoint.folder, merge=not (load_8bit or load_4bit))
    if not (load_8bit or load_4bit or hasattr(model, "hf_device_map")):
        model.to(*place["device_map"].values())

    # 3. What LLaVA's own loader does at its end.
    tokenizer = load_tokenizer(base.folder)
    image_processor = _finish(model, tokenizer, place["torch_dtype"])
    model.loaded_from = LoadedFrom(
        str(model_path),
        checkpoint.commit,
        None if base is checkpoint else str(model_base or checkpoint.base),
        None if base is checkpoint else base.commit,
        checkpoint.folder,
    )
    model.eval()
    return tokenizer, model, image_processor, getattr(model.config, "max_sequence_length", 2048)


def load_pretrained_model(
    model_path: str,
    model_base: str | None,
    model_name: str,
    load_8bit: bool = False,
    load_4bit: bool = False,
    device_map: Any = "auto",
    device: str = "cuda",
    use_flash_attn: bool = False,
    **keywords: Any,
) -> tuple[Any, Any, Any, int]:
    """LLaVA's `load_pretrained_model`, with its signature, for the models that are ours to load.

    As there, `device` other than "cuda" wins over `device_map`; without CUDA "auto" is the CPU. The dtype is
    `torch_dtype` where it is given, else float32 on a CPU and float16, as LLaVA's, elsewhere.
    """
    if use_flash_attn:
        keywords["attn_implementation"] = "flash_attention_2"
    return load(
        model_path,
        model_base,
        device=None if device == "cuda" else device,
        dtype=keywords.pop("torch_dtype", None),
        load_8bit=load_8bit,
        load_4bit=load_4bit,
        device_map=device_map if device == "cuda" else None,
        **keywords,
    )


def with_our_models(stock: Callable[..., Any]) -> Callable[..., Any]:
    """Return LLaVA's `load_pretrained_model`, with ours for the models that are ours to load."""

    @functools.wraps(stock)
    def load_pretrained_model_of_either(model_path: str, *arguments: Any, **keywords: Any) -> Any:
        return (load_pretrained_model if is_ours(model_path) else stock)(model_path, *arguments, **keywords)

    return load_pretrained_model_of_either


def is_ours(model_path: str | Path) -> bool:
    """Whether a checkpoint is ours to load, or to refuse; LLaVA's own loader keeps 1.6, MPT, Mistral and plain LLMs."""
    config = config_of(model_path)
    if not config or "text_config" in config:
        return True  # with an error that says what is wrong
    return config.get("model_type") in (*LLAVA_TYPES, CLIP_MODELS) and not reads_tiles(config)


def base_of(
    checkpoint: Checkpoint, model_path: str | Path, model_base: str | Path | None, revision: str | None
) -> Checkpoint:
    """The checkpoint whose weights are loaded first: the model's own, or its base's."""
    if checkpoint.kind == "language":
        raise InputError(
            f"The model {model_path} is {KINDS['language']}: its model_type is llama.",
            "A LLaVA has a vision tower and a projector beside the language model; Vicuna is the base that LLaVA's "
            "adapters and projectors are loaded onto.",
            "Give it as --model-base, or take liuhaotian/llava-v1.5-7b.",
        )
    if checkpoint.kind == "whole":
        return checkpoint
    named = model_base or checkpoint.base
    remedy = "Give that model, a folder or a hub name, with --model-base (model_base=...)."
    if not model_base and not (named and (_is_folder(named) or is_hub_name(named))):
        what = KINDS[checkpoint.kind] + (f" of {named or 'an unnamed base'}" if checkpoint.kind == "lora" else "")
        raise InputError(
            f"{model_path} holds {what}, and no base model was given.",
            "An adapter or a projector is loaded onto the model it was trained on.",
            remedy,
        )
    try:
        base = classify(named, revision, "base model")
    except MissingFileError as error:
        if model_base:
            raise
        got = f"{model_path} holds a LoRA adapter of {named}, and no base model was given. {error.got}"
        raise MissingFileError(got, error.allowed, f"{error.remedy} {remedy}") from error
    if base.kind not in ("whole", "language"):
        raise InputError(
            f"The base model {named} holds {KINDS[base.kind]}.",
            "A base is a whole LLaVA, or the Vicuna that it was trained from.",
            "Merge it first (llava-faba merge), or give the model that it was trained on.",
        )
    return base


def _is_folder(named: str) -> bool:
    return (Path(named).expanduser() / "config.json").is_file()


def _configuration(checkpoint: Checkpoint, base: Checkpoint, model_path: str | Path, model_class: Any) -> Any:
    from llava_faba.model.fields import check_facial_prior, find_vision_tower

    refuse_tiles(checkpoint.config, model_path)
    if model_class is _model_class() and checkpoint.config.get("motion_frames"):
        raise InputError(
            f"The model {model_path} assesses clips: its config.json has motion_frames.",
            "Pictures of faces are described by a model that was trained on them.",
            "Use it with llava-faba assess, or as --clip-model-path of llava-faba demo.",
        )
    config = model_class.config_class.from_pretrained(checkpoint.folder)
    vars(config).pop("quantization_config", None)  # how QLoRA held the base while it trained, and nothing of the base
    if not getattr(config, "mm_vision_tower", None):
        raise InputError(
            f"The model {model_path} has no vision tower: its config.json names no mm_vision_tower.",
            "A LLaVA sees pictures through one, e.g. openai/clip-vit-large-patch14-336.",
            "Use the config.json that was saved with this model.",
        )
    if config.facial_prior_tower:
        check_facial_prior(config)
    find_vision_tower(config, checkpoint.folder, base.folder)
    return config


def _finish(model: Any, tokenizer: Any, dtype: torch.dtype) -> Any:
    """LLaVA's last steps: image tokens where its configuration wants them, and the vision tower."""
    from llava.constants import DEFAULT_IM_END_TOKEN, DEFAULT_IM_START_TOKEN, DEFAULT_IMAGE_PATCH_TOKEN

    if getattr(model.config, "mm_use_im_patch_token", True):
        tokenizer.add_tokens([DEFAULT_IMAGE_PATCH_TOKEN], special_tokens=True)
    if getattr(model.config, "mm_use_im_start_end", False):
        tokenizer.add_tokens([DEFAULT_IM_START_TOKEN, DEFAULT_IM_END_TOKEN], special_tokens=True)
    model.resize_token_embeddings(len(tokenizer))
    vision_tower = model.get_vision_tower()
    if not vision_tower.is_loaded:
        try:
            vision_tower.load_model()
        except OSError as error:
            raise MissingFileError(
                f"The vision tower {vision_tower.vision_tower_name} could not be loaded: {str(error).splitlines()[0]}",
                "A LLaVA's vision tower is a model of its own, fetched from the hub once.",
                f"Fetch it where there is a network: hf download {vision_tower.vision_tower_name}",
            ) from error
    projector = next(model.get_model().mm_projector.parameters(), model.lm_head.weight)
    vision_tower.to(device=projector.device, dtype=dtype)
    return vision_tower.image_processor


def _model_class() -> Any:
    from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM

    return FabaLlavaLlamaForCausalLM
