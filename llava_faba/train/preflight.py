"""Flags -> a run that can start: everything that can be refused is refused before a model is loaded or a file written.

LLaVA's train() asks `transformers.HfArgumentParser` for its flags; `CheckedParser` is what it gets (view.py).
"""

import difflib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import transformers
from transformers.integrations import is_deepspeed_zero3_enabled

from llava_faba.data.fabainstruct import read_training
from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import existing_file, read_json
from llava_faba.model.tokenizer import load_tokenizer
from llava_faba.prior import FacialPrior, build_prior
from llava_faba.train.dataset import data_files
from llava_faba.train.record import make_record, refuse_another_run

HUB_TOWERS = ("openai", "laion")  # llava/model/multimodal_encoder/builder.py takes these and paths
_accepted: tuple[Any, ...] | None = None


class CheckedParser(transformers.HfArgumentParser):
    """transformers' parser, which refuses unknown flags and what the flags name but is not there."""

    def parse_args_into_dataclasses(self, args: list[str] | None = None, **keywords: Any) -> tuple[Any, ...]:
        """Parse and check; the training arguments then carry the run's record as `faba_record`."""
        global _accepted
        keywords["return_remaining_strings"] = True
        *parsed, unknown = super().parse_args_into_dataclasses(args, **keywords)
        if unknown:
            self._refuse(unknown)
        given, default = (vars(self.parse_known_args(line)[0]) for line in (args, ["--output_dir", ""]))
        changed = {name: value for name, value in given.items() if value != default[name]}
        model_args, data_args, training_args = parsed
        training_args.faba_record = check(model_args, data_args, training_args, changed)
        _accepted = tuple(parsed)
        return _accepted

    def _refuse(self, unknown: list[str]) -> None:
        known = [name for action in self._actions for name in action.option_strings]
        name = next((text for text in unknown if text.startswith("--")), unknown[0])
        near = difflib.get_close_matches(name, known, n=3)
        raise InputError(
            f"The training flags hold {' '.join(unknown)}, which no flag takes.",
            "Flags are LLaVA's, transformers' TrainingArguments and the facial prior's.",
            f"Perhaps you mean {' or '.join(near)}." if near else "Take it out; --help lists all flags.",
        )


def accepted_flags() -> tuple[Any, ...] | None:
    """Return the model, data and training arguments that this process runs with, once they are parsed."""
    return _accepted


def check(model_args: Any, data_args: Any, training_args: Any, changed: dict[str, Any]) -> dict[str, Any]:
    """Refuse flags that cannot work, each by its name; return the record of the run that they describe."""
    base = _config("--model_name_or_path", model_args.model_name_or_path)
    if model_args.vision_tower:
        hub = model_args.vision_tower.startswith(HUB_TOWERS)
        _config("--vision_tower", model_args.vision_tower, hub)
    elif model_args.facial_prior_tower:
        raise InputError(
            f"--facial_prior_tower is {model_args.facial_prior_tower}, and --vision_tower is not given.",
            "A facial prior stands beside the visual tokens: LLaVA trains a plain language model without that flag.",
            "Give --vision_tower, e.g. openai/clip-vit-large-patch14-336.",
        )
    _check_quantisation(training_args)
    if (check_run := getattr(model_args, "check_run", None)) is not None:  # clips have conditions of their own
        check_run(data_args, training_args, base)
    for flag in ("pretrain_mm_mlp_adapter", "pretrain_facial_prior_projector"):
        if getattr(model_args, flag):
            existing_file(getattr(model_args, flag), f"projector --{flag}")
    files, samples = _read_data(data_args)
    prior = _prior(model_args, base)
    try:
        if prior is not None and any(sample.image and not sample.prior_path for sample in samples):
            _try(prior)
        record = make_record(model_args, data_args, training_args, base, prior, files, len(samples), changed)
    except MissingFileError as error:  # the prior's model file, which is looked for when it is first needed
        if prior is None or model_args.facial_prior_model:
            raise
        remedy = f"{error.remedy} The flag is --facial_prior_model."
        raise MissingFileError(error.got, error.allowed, remedy) from error
    refuse_another_run(Path(training_args.output_dir), record)
    return record


def _config(flag: str, name: str, hub: bool = True) -> dict[str, Any]:
    """Read the config.json of a model folder, or of a model on the hub."""
    config = Path(name).expanduser() / "config.json"
    if config.is_file():
        return read_json(config, f"config of {flag}")
    reason = "is a folder without config.json" if config.parent.is_dir() else "is no folder on this disk"
    if hub and not config.parent.is_dir():
        try:
            return transformers.PretrainedConfig.get_config_dict(name)[0]
        except (OSError, ValueError) as error:
            reason += f", and the hub did not give it ({type(error).__name__})"
    raise MissingFileError(
        f"{flag} {name} {reason}.",
        "It names a model's folder, or a model of the Hugging Face hub that can be reached from here.",
        "Check the path, or fetch the model first: huggingface-cli download NAME --local-dir FOLDER",
    )


def _check_quantisation(training_args: Any) -> None:
    bits = training_args.bits
    if bits not in (4, 8, 16):
        raise InputError(f"--bits is {bits}.", "It is 4, 8 or 16.", "Correct the flag.")
    if bits == 16:
        return
    if not torch.cuda.is_available() or find_spec("bitsandbytes") is None:
        missing = "no CUDA device" if not torch.cuda.is_available() else "no package bitsandbytes"
        raise InputError(
            f"--bits is {bits}, and there is {missing} here.",
            "Quantised training (QLoRA) runs on NVIDIA GPUs through the package bitsandbytes.",
            "Leave --bits out, or install bitsandbytes on a machine with a GPU.",
        )
    if not training_args.lora_enable:
        raise InputError(
            f"--bits is {bits} without --lora_enable True.",
            "Quantised weights are frozen; adapters are what is trained then.",
            "Give --lora_enable True, or leave --bits out.",
        )
    if is_deepspeed_zero3_enabled():
        raise InputError(
            f"--bits is {bits} under DeepSpeed ZeRO-3.",
            "ZeRO-3 splits weights over the ranks, and quantised ones cannot be split.",
            "Use ZeRO-2: --deepspeed scripts/zero2.json",
        )


def _read_data(data_args: Any) -> tuple[list[Path], list[Any]]:
    files = data_files(data_args.data_path)
    if not files:
        raise InputError(
            "--data_path is not given.", "It names one or several FABA-Instruct training files.", "Give --data_path."
        )
    if data_args.image_folder is not None and not Path(data_args.image_folder).is_dir():
        raise MissingFileError(
            f"--image_folder {data_args.image_folder} is no folder.",
            "The images' paths in the training files are relative to it.",
            "Check the path.",
        )
    for file in files:
        existing_file(file, "training file --data_path")
    read = getattr(data_args, "read_samples", read_training)  # the data flags of clips read their own files
    return files, read(files, data_args.image_folder)


def _prior(model_args: Any, base: dict[str, Any]) -> FacialPrior | None:
    """The prior of the run: the one that the flags name, else the one that the base model carries."""
    name, file = model_args.facial_prior_tower, model_args.facial_prior_model
    if name is None and model_args.vision_tower and base.get("facial_prior_tower"):
        name, file = base["facial_prior_tower"], base.get("facial_prior_model")
    if name is None:
        return None
    return build_prior(name, file)


def _try(prior: FacialPrior) -> None:
    """Let the prior look at an empty picture: what it needs, a package or a model file, is then missing now."""
    if prior.name != "precomputed":
        prior.extract([np.zeros((64, 64, 3), np.uint8)])


class _AutoTokenizer:
    """AutoTokenizer, except that tokenizer_config.json decides the class."""

    from_pretrained = staticmethod(load_tokenizer)


class TransformersView:
    """`transformers` with `AutoTokenizer` in our reading, and flags that are checked before anything starts."""

    AutoTokenizer = _AutoTokenizer
    HfArgumentParser = CheckedParser

    def __init__(self, library: ModuleType):
        self._library = library

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)
