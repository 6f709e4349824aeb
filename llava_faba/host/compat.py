"""What LLaVA needs to run on current libraries: one small shim a breaking change, each with the version it is for.

Supported are transformers 4.37.2 (LLaVA's own pin) and 5.4 or newer; in between, `generate` passes `cache_position`,
which LLaVA's forward does not take (4.38.2 to 5.3). Shims that need a class of ours live in that class (trainer,
arguments, model).
"""

import contextlib
import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingDependencyError
from llava_faba.host.fingerprints import check_llava, installed_llava
from llava_faba.host.rebinding import Ledger

GENERATION, BITSANDBYTES = "transformers.generation.configuration_utils", "bitsandbytes.backends.cpu.ops"
_applied: Ledger | None = None
_for_training = False


def apply(training: bool = False) -> Ledger:
    """Check the host and apply the shims that the installed libraries need; each once, however often it is called.

    Those of training only with `training`: they import the Trainer, which costs a second that an answer need not wait.
    """
    global _applied, _for_training
    if _applied is None:
        require_libraries()
        check_llava(installed_llava())
        # It warns, whenever it is imported, that a faster kernel could be fetched from the hub.
        logging.getLogger(BITSANDBYTES).addFilter(_is_error)
        with _quiet_import():
            import llava  # noqa: F401 - a patched LLaVA attaches, and so applies the shims, while it is imported
    if _applied is None:
        ledger = Ledger()
        for shim in SHIMS:
            shim(ledger)
        _applied = ledger
    if training and not _for_training:
        _for_training = True
        for shim in TRAINING_SHIMS:
            shim(_applied)
    return _applied


def remove() -> None:
    """Take every shim back."""
    global _applied, _for_training
    if _applied is not None:
        _applied.restore()
        _applied, _for_training = None, False


def transformers_version() -> tuple[int, int, int]:
    """The installed transformers, as (major, minor, micro)."""
    from importlib.metadata import version

    from packaging.version import Version

    return Version(version("transformers")).release[:3]  # type: ignore[return-value]


def require_libraries() -> None:
    """Refuse the versions of transformers on which LLaVA cannot run."""
    for package in ("torch", "transformers"):
        _require_installed(package)
    version = transformers_version()
    if not (version == (4, 37, 2) or version >= (5, 4, 0)):
        raise InputError(
            f"transformers {'.'.join(map(str, version))} is installed.",
            "llava-faba runs on 4.37.2 (LLaVA's own pin) and on 5.4 or newer; between them LLaVA's generate fails.",
            "Install one of them, for example: pip install 'transformers>=5.4'",
        )


@contextlib.contextmanager
def loading(key_map: Mapping[str, str]) -> Iterator[None]:
    """Load without transformers' lists of misfits, which we check ourselves; before 5.0 also by `key_map`.

    transformers 5 takes the map as an argument; 4.37 has none, so its readers of files rename for the time being.
    """
    import transformers.modeling_utils as modeling

    ledger = Ledger()
    if key_map and transformers_version() < (5, 0, 0):
        read, read_index = modeling.load_state_dict, modeling.get_checkpoint_shard_files

        def renamed(name: str) -> str:
            for theirs, ours in key_map.items():
                name = name.replace(theirs, ours)
            return name

        def load_state_dict(file: Any) -> dict[str, Any]:
            return {renamed(name): tensor for name, tensor in read(file).items()}

        def get_checkpoint_shard_files(*arguments: Any, **keywords: Any) -> tuple[list[str], dict[str, Any]]:
            files, index = read_index(*arguments, **keywords)
            index["all_checkpoint_keys"] = [renamed(name) for name in index["all_checkpoint_keys"]]
            index["weight_map"] = {renamed(name): file for name, file in index["weight_map"].items()}
            return files, index

        ledger.rebind(modeling, "load_state_dict", load_state_dict)
        ledger.rebind(modeling, "get_checkpoint_shard_files", get_checkpoint_shard_files)
    silenced = [logging.getLogger(name) for name in (modeling.__name__, GENERATION)]
    for logger in silenced:
        logger.addFilter(_is_error)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`do_sample` is set to `False`")  # Vicuna's, which we reset
            yield
    finally:
        for logger in silenced:
            logger.removeFilter(_is_error)
        ledger.restore()


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def from_pretrained_arguments(keywords: dict[str, Any], key_map: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Put LLaVA's arguments of `from_pretrained` into the terms of the installed transformers.

    `key_map`: part of a stored weight's name -> what the model calls it.
    """
    from importlib.util import find_spec

    import torch

    keywords = dict(keywords)
    if keywords.get("attn_implementation") == "flash_attention_2" and find_spec("flash_attn") is None:
        keywords["attn_implementation"] = "sdpa"  # train_mem.py asks for it whether it is installed or not
    if keywords.get("quantization_config") is not None:
        for name in ("load_in_4bit", "load_in_8bit"):  # 4.38: both ways at once are an error
            keywords.pop(name, None)
        # 5.0 compares whole names from their beginning: LLaVA's "mm_projector" would be quantised, and then not train.
        skipped = keywords["quantization_config"].llm_int8_skip_modules or []
        if skipped:
            keywords["quantization_config"].llm_int8_skip_modules = [*skipped, *(f"model.{name}" for name in skipped)]
    if key_map and transformers_version() >= (5, 0, 0):
        keywords["key_mapping"] = dict(key_map)
    if transformers_version() >= (5, 0, 0) and "torch_dtype" in keywords:
        # 5.0: None means the checkpoint's own dtype, which LLaVA did not ask for: it counts on float32.
        keywords["dtype"] = keywords.pop("torch_dtype") or torch.float32
    return keywords


def _require_installed(package: str) -> None:
    from importlib.util import find_spec

    if package not in sys.modules and find_spec(package) is None:
        raise MissingDependencyError(
            f"The package {package} is not installed here.",
            "Models need torch and transformers; scoring and conversion do not.",
            "Install them with: pip install 'llava-faba[train]'",
        )


@contextlib.contextmanager
def _quiet_import() -> Iterator[None]:
    """Import LLaVA without two warnings that a user can do nothing about."""
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # DeepSpeed, imported by transformers 4.37: no GPU was found
    logger = logging.getLogger("transformers.utils.import_utils")

    def is_wanted(record: logging.LogRecord) -> bool:
        """transformers 5.4 says that it takes the PIL processor; it is the one that LLaVA needs, as below."""
        return "CLIPImageProcessor" not in record.getMessage()

    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)


def _layernorm_layers(ledger: Ledger) -> None:
    """transformers 4.53: `transformers.trainer` lost ALL_LAYERNORM_LAYERS, which LLaVA's trainer imports."""
    import transformers.pytorch_utils
    import transformers.trainer

    if not hasattr(transformers.trainer, "ALL_LAYERNORM_LAYERS"):
        layers = transformers.pytorch_utils.ALL_LAYERNORM_LAYERS
        ledger.rebind(transformers.trainer, "ALL_LAYERNORM_LAYERS", layers)


def _pil_image_processor(ledger: Ledger) -> None:
    """transformers 5.4: CLIPImageProcessor resizes with torchvision; LLaVA was trained on the PIL one's pixels."""
    import transformers
    from llava.model.multimodal_encoder import clip_encoder

    if transformers_version() >= (5, 4, 0):
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        if clip_encoder.CLIPImageProcessor is not CLIPImageProcessorPil:
            ledger.rebind(clip_encoder, "CLIPImageProcessor", CLIPImageProcessorPil)
    else:
        assert clip_encoder.CLIPImageProcessor is transformers.CLIPImageProcessor


def _whole_prefetch_bucket(ledger: Ledger) -> None:
    """transformers 4.37 writes ZeRO-3's prefetch bucket size as a float; DeepSpeed 0.15 and newer want an integer."""
    if transformers_version() >= (5, 0, 0):
        return
    from transformers.integrations.deepspeed import HfTrainerDeepSpeedConfig

    stock = HfTrainerDeepSpeedConfig.fill_only

    def fill_only(self: Any, key: str, value: Any) -> None:
        stock(self, key, int(value) if key.endswith("stage3_prefetch_bucket_size") else value)

    ledger.rebind(HfTrainerDeepSpeedConfig, "fill_only", fill_only)


def _local_base_config(ledger: Ledger) -> None:
    """peft 0.8 asks the hub for the base's config at every save, also of a folder; without a network it stops."""
    from peft.utils import save_and_load

    if not hasattr(save_and_load, "file_exists"):
        return

    def file_exists(model_id: str, filename: str, **keywords: Any) -> bool:
        return (Path(model_id) / filename).is_file()

    ledger.rebind(save_and_load, "file_exists", file_exists)


def _adapter_checkpoints(ledger: Ledger) -> None:
    """transformers 4.37 saves an adapter's DeepSpeed checkpoint without frozen weights, and misses them at resuming."""
    import transformers.trainer

    if transformers_version() >= (5, 0, 0) or not hasattr(transformers.trainer, "deepspeed_load_checkpoint"):
        return
    stock = transformers.trainer.deepspeed_load_checkpoint

    def deepspeed_load_checkpoint(engine: Any, checkpoint_path: str) -> None:
        strict = not hasattr(engine.module, "peft_config")
        engine.load_checkpoint = functools.partial(engine.load_checkpoint, load_module_strict=strict)
        try:
            stock(engine, checkpoint_path)
        finally:
            del engine.load_checkpoint

    ledger.rebind(transformers.trainer, "deepspeed_load_checkpoint", deepspeed_load_checkpoint)


SHIMS: tuple[Callable[[Ledger], Any], ...] = (_pil_image_processor,)
TRAINING_SHIMS: tuple[Callable[[Ledger], Any], ...] = (
    _layernorm_layers,
    _whole_prefetch_bucket,
    _local_base_config,
    _adapter_checkpoints,
)
