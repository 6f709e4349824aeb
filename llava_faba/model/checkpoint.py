"""Checkpoint -> model: load what we, LLaVA and EmoLA's released code trained, every weight of a prior accounted for.

A checkpoint folder is one of: a full model (ours, merged, or plain LLaVA), a LoRA adapter with the trained projectors
beside it (ours or EmoLA's), or a pretrained visual projector (`mm_projector.bin`). The last two need the base model.
"""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import torch

from llava_faba.errors import InputError, MissingDependencyError, MissingFileError
from llava_faba.files import read_json
from llava_faba.host import compat
from llava_faba.host.fingerprints import LLAVA_TYPES
from llava_faba.model.tokenizer import load_tokenizer
from llava_faba.model.weights import load_projectors, merge_adapter


def load(
    model_path: str | Path,
    model_base: str | Path | None = None,
    *,
    device: str = "cpu",
    dtype: str | torch.dtype = "float32",
    load_8bit: bool = False,
    load_4bit: bool = False,
    revision: str | None = None,
    base_revision: str | None = None,
) -> tuple[Any, Any, Any, int]:
    """Load a checkpoint; return LLaVA's tuple (tokenizer, model, image_processor, context_len).

    A path is a folder, or with a `revision` (a commit, 40 hex digits) a model of the hub; see `hub.model_folder`.

    `model_base` is the model that a LoRA adapter or a projector belongs to; an adapter that names a folder which
    exists needs none. `load_8bit` and `load_4bit` need a CUDA device and bitsandbytes. Raises InputError where a
    file, a weight of the prior or the LLaVA it all rests on is missing or not as expected.
    """
    compat.apply()
    folder = model_folder(model_path, "model", revision)
    config = read_config(folder)
    if load_8bit or load_4bit:
        placing = _quantisation(load_8bit, device)
    else:
        placing = {"torch_dtype": _dtype(dtype), "low_cpu_mem_usage": True}
    if (folder / "adapter_config.json").is_file():
        base = model_folder(model_base or named_base(folder), "base model", base_revision)
        model, prior_in_base = _load_base(base, config, placing)
        load_projectors(model, folder, prior_in_base)
        model = merge_adapter(model, folder)
    elif (folder / "mm_projector.bin").is_file():
        base = model_folder(model_base or _refuse_without_base(folder, "a projector"), "base model", base_revision)
        model, prior_in_base = _load_base(base, config, placing)
        load_projectors(model, folder, prior_in_base)
    else:
        base = folder
        model = _model_class().from_pretrained(folder, config=config, **placing)
    _reset_generation(model)
    if not (load_8bit or load_4bit):
        model.to(device)
    tokenizer = load_tokenizer(base)
    image_processor = _finish(model, tokenizer, device, model.dtype)
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
    """LLaVA's `load_pretrained_model` for the models of ours, with its signature.

    The dtype is `torch_dtype` where it is given, else float32 on a CPU and float16, as LLaVA's, elsewhere.
    """
    dtype = keywords.get("torch_dtype") or (torch.float32 if str(device) == "cpu" else torch.float16)
    return load(model_path, model_base, device=device, dtype=dtype, load_8bit=load_8bit, load_4bit=load_4bit)


def is_llava(model_path: str | Path) -> bool:
    """Whether a checkpoint is one of ours to load; LLaVA's MPT, Mistral and plain language models are not."""
    config = Path(model_path).expanduser() / "config.json"
    return not config.is_file() or read_json(config, "config").get("model_type") in LLAVA_TYPES


def read_config(folder: Path) -> Any:
    """Read config.json of any LLaVA as our configuration."""
    from llava_faba.model.config import FabaLlavaConfig, check_facial_prior

    if not is_llava(folder):
        raise InputError(
            f"{folder / 'config.json'} is not a LLaVA's: its model_type is none of {', '.join(LLAVA_TYPES)}.",
            "llava-faba loads LLaVA models on Llama: stock LLaVA, EmoLA's and its own.",
            "Give the folder of such a model.",
        )
    config = FabaLlavaConfig.from_pretrained(folder)
    if config.facial_prior_tower:
        check_facial_prior(config)
    _find_vision_tower(config, folder)
    return config


def _load_base(base: Path, config: Any, placing: dict[str, Any]) -> tuple[Any, bool]:
    """Load the base under the checkpoint's configuration; return it and whether the prior's weights came with it.

    A prior that the base lacks is built fresh, to be loaded next.
    """
    model_class = _model_class()
    vars(config).pop("quantization_config", None)  # how QLoRA held the base while it trained, and nothing of the base
    if not config.facial_prior_tower or read_config(base).facial_prior_tower:
        return model_class.from_pretrained(base, config=config, **placing), bool(config.facial_prior_tower)
    tower, config.facial_prior_tower = config.facial_prior_tower, None
    model = model_class.from_pretrained(base, config=config, **placing)
    model.config.facial_prior_tower = tower
    model.get_model().build_facial_prior()
    model.get_model().facial_prior_projector.to(model.device, model.dtype)
    return model, False


def _finish(model: Any, tokenizer: Any, device: str, dtype: torch.dtype) -> Any:
    """LLaVA's last steps: image tokens where its configuration wants them, and the vision tower."""
    from llava.constants import DEFAULT_IM_END_TOKEN, DEFAULT_IM_START_TOKEN, DEFAULT_IMAGE_PATCH_TOKEN

    if getattr(model.config, "mm_use_im_patch_token", True):
        tokenizer.add_tokens([DEFAULT_IMAGE_PATCH_TOKEN], special_tokens=True)
    if getattr(model.config, "mm_use_im_start_end", False):
        tokenizer.add_tokens([DEFAULT_IM_START_TOKEN, DEFAULT_IM_END_TOKEN], special_tokens=True)
    model.resize_token_embeddings(len(tokenizer))
    vision_tower = model.get_vision_tower()
    if not vision_tower.is_loaded:
        vision_tower.load_model()
    vision_tower.to(device=device, dtype=dtype if dtype.is_floating_point else torch.float16)
    return vision_tower.image_processor


def _model_class() -> Any:
    from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM

    return FabaLlavaLlamaForCausalLM


def named_base(folder: Path) -> str:
    """Return the base model's folder that an adapter names; without one the error names the flag."""
    if not (folder / "adapter_config.json").is_file():
        return str(folder)
    named = read_json(folder / "adapter_config.json", "adapter config").get("base_model_name_or_path") or ""
    if not (Path(named) / "config.json").is_file():
        _refuse_without_base(folder, f"a LoRA adapter of {named or 'an unnamed base'}")
    return named


def _refuse_without_base(folder: Path, what: str) -> NoReturn:
    raise InputError(
        f"{folder} holds {what}, and no base model was given.",
        "An adapter or a projector is loaded onto the model it was trained on.",
        "Give that model's folder with --model-base (model_base=...).",
    )


def _dtype(dtype: str | torch.dtype) -> torch.dtype:
    resolved = dtype if isinstance(dtype, torch.dtype) else getattr(torch, str(dtype), None)
    if not isinstance(resolved, torch.dtype) or not resolved.is_floating_point:
        raise InputError(
            f"dtype is {dtype!r}.", "It is float32, float16 or bfloat16.", "Use float32 on a CPU, bfloat16 on a GPU."
        )
    return resolved


def _quantisation(load_8bit: bool, device: str) -> dict[str, Any]:
    if not torch.cuda.is_available() or find_spec("bitsandbytes") is None:
        raise InputError(
            "Loading in 8 or 4 bits was asked for, and there is no CUDA device with bitsandbytes here.",
            "Quantised loading runs on NVIDIA GPUs through the package bitsandbytes.",
            "Leave the flag out, or install bitsandbytes on a machine with a GPU.",
        )
    from transformers import BitsAndBytesConfig

    four = {"load_in_4bit": True, "bnb_4bit_compute_dtype": torch.float16, "bnb_4bit_quant_type": "nf4"}
    chosen = {"load_in_8bit": True} if load_8bit else {**four, "bnb_4bit_use_double_quant": True}
    return {"quantization_config": BitsAndBytesConfig(**chosen), "device_map": {"": device}}


def _reset_generation(model: Any) -> None:
    """Vicuna's generation_config has a temperature and no sampling, and transformers refuses to save that."""
    if model.generation_config.temperature not in (None, 1.0) or model.generation_config.top_p not in (None, 1.0):
        model.generation_config.do_sample = True


def _find_vision_tower(config: Any, folder: Path) -> None:
    """A vision tower named by a relative folder may stand in the checkpoint or beside it."""
    named = getattr(config, "mm_vision_tower", None)
    if named and not Path(named).exists():
        for place in (folder / named, folder.parent / named):
            if place.is_dir():
                config.mm_vision_tower = str(place.resolve())
                return


NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
# Pickles are left on the hub, but for those in which LLaVA's own checkpoints keep projectors and adapters; they are
# read with weights_only=True. No code is fetched.
WANTED = ["*.json", "*.safetensors", "*.model", "mm_projector.bin", "non_lora_trainables.bin", "adapter_model.bin"]
WANTED += ["pytorch_model*.bin", "landmark_feature_projector.bin"]


def model_folder(path: str | Path, what: str, revision: str | None = None) -> Path:
    """Return the folder of a model, fetched from the hub at `revision`, a commit of 40 hex digits, if that is given.

    What is there already is not fetched again, and nothing is without a revision. `what` names the model in errors.
    """
    if revision is not None:
        return _fetched(str(path), what, revision)
    folder = Path(path).expanduser()
    if (folder / "config.json").is_file():
        return folder
    raise MissingFileError(
        f"The {what} {folder} is no model folder: there is no config.json in it.",
        "It is the folder that training or merging wrote, or a released checkpoint on this disk.",
        "Check the path; a model of the hub is loaded by its name and its commit: "
        'llava_faba.load("owner/name", revision="40 hex digits").',
    )


def _fetched(name: str, what: str, revision: str) -> Path:
    if not NAME.fullmatch(name) or not COMMIT.fullmatch(revision):
        raise InputError(
            f"The {what} {name} is asked for at the revision {revision!r}.",
            "A model of the hub is an owner/name at one commit, 40 hex digits, so that it is the one that was looked "
            "at; a folder has no revision.",
            "Give the commit that the model's page on the hub shows, or leave the revision out for a folder.",
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependencyError(
            "Fetching a model needs the package huggingface_hub, which is not installed here.",
            "It comes with transformers.",
            "Install it with: pip install huggingface_hub",
        ) from error
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=WANTED))
    except Exception as error:  # the network, the hub's answer, a disk that is full: each with a type of its own
        raise MissingFileError(
            f"The {what} {name} at {revision} could not be fetched: {type(error).__name__}: {error}",
            "It is fetched once from the hub, or taken from this machine's cache of it.",
            "Check name, commit and network; a private model needs `huggingface-cli login`.",
        ) from error
