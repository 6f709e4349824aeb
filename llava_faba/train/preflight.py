"""Flags -> a run that can start: everything that can be refused is refused before a model is loaded or a file written.

LLaVA's train() asks `transformers.HfArgumentParser` for its flags; `CheckedParser` is what it gets (view.py).
"""

import argparse
import difflib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import transformers
from transformers.integrations import is_deepspeed_zero3_enabled

from llava_faba.data.fabainstruct import read_training, refuse_missing_images
from llava_faba.errors import InputError, MissingFileError, missing_extra
from llava_faba.files import existing_file, read_json
from llava_faba.host.compat import transformers_version
from llava_faba.model.config import FabaLlavaConfig
from llava_faba.model.tokenizer import load_tokenizer
from llava_faba.prior import FacialPrior
from llava_faba.processes import say
from llava_faba.train.dataset import data_files
from llava_faba.train.inputs import KEY, RunInputs, build_run_prior
from llava_faba.train.nodes import refuse_folder_of_one_node
from llava_faba.train.record import make_record, refuse_another_run
from llava_faba.train.saving import refuse_other_ranks
from llava_faba.train.validation_set import read_validation

HUB_TOWERS = ("openai", "laion")  # llava/model/multimodal_encoder/builder.py takes these and paths
NEEDS_A_PRIOR = ("tune_only_facial_prior_projector", "pretrain_facial_prior_projector")
CARRIED = (  # fields of a base model's prior
    "facial_prior_tower",
    "facial_prior_hidden_size",
    "facial_prior_projector_type",
    "facial_prior_position",
    "facial_prior_normalisation",
)
_NOT_GIVEN = object()
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
        training_args.faba_record = check(model_args, data_args, training_args, changed, self._stated(args))
        _accepted = tuple(parsed)
        return _accepted

    def _stated(self, args: list[str] | None) -> set[str]:
        """The names of the flags that the command line states, with their default values too."""
        blank = argparse.Namespace(**{action.dest: _NOT_GIVEN for action in self._actions})
        return {name for name, value in vars(self.parse_known_args(args, blank)[0]).items() if value is not _NOT_GIVEN}

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


def check(
    model_args: Any, data_args: Any, training_args: Any, changed: dict[str, Any], stated: set[str]
) -> dict[str, Any]:
    """Refuse flags that cannot work, each by its name; return the record of the run that they describe.

    `changed` are the flags that differ from their defaults, `stated` the names of all that were given. The samples
    and their priors are read here, once a run, and wait on `data_args` for the data set.
    """
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
    prior = _prior(model_args, training_args, data_args, base, samples, stated)
    validation = read_validation(data_files(data_args.validation), model_args, data_args, samples)
    inputs = RunInputs(samples, prior, validation=validation)
    try:
        if prior is not None and any(sample.image and not sample.prior_path for sample in inputs.faces()):
            _try(prior)
        record = make_record(model_args, data_args, training_args, base, inputs, files, changed)
    except MissingFileError as error:  # the prior's model file, which is looked for when it is first needed
        if prior is None or model_args.facial_prior_model:
            raise
        remedy = f"{error.remedy} The flag is --facial_prior_model."
        raise MissingFileError(error.got, error.allowed, remedy) from error
    refuse_another_run(Path(training_args.output_dir), record)
    refuse_other_ranks(training_args.output_dir, training_args.deepspeed, training_args.world_size)
    refuse_folder_of_one_node(training_args.output_dir)
    if line := record["memory"].get("line"):  # before the faces are read and the model loaded, which may take long
        say(line)
    inputs.read_faces()
    setattr(data_args, KEY, inputs)
    model_args.built_prior = prior
    return record


def _config(flag: str, name: str, hub: bool = True) -> dict[str, Any]:
    """Read the config.json of a model folder, or of a model on the hub."""
    config = Path(name).expanduser() / "config.json"
    if config.is_file():
        return read_json(config, f"config of {flag}")
    reason = "is a folder without config.json" if config.parent.is_dir() else "is no folder on this disk"
    if hub and not config.parent.is_dir():
        try:
            file = Path(transformers.utils.cached_file(name, "config.json"))
            return {**read_json(file, f"config of {flag}"), "_commit_hash": file.parent.name}  # snapshots/COMMIT/
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
    if find_spec("bitsandbytes") is None:
        raise missing_extra("bitsandbytes", "quantised", f"--bits {bits}")
    if not torch.cuda.is_available() and transformers_version() < (5, 0, 0):
        raise InputError(
            f"--bits is {bits}, and there is no CUDA device here.",
            "transformers 4.37 quantises on NVIDIA GPUs only; transformers 5 does it on a CPU too, slowly.",
            "Leave --bits out, or install transformers 5.4 or newer, or use a machine with a GPU.",
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
    if hasattr(data_args, "read_samples"):  # the data flags of clips read their own files
        return files, data_args.read_samples(files, data_args.image_folder)
    samples = read_training(files, data_args.image_folder)
    refuse_missing_images(samples, f"--image_folder {data_args.image_folder}")
    return files, samples


def _prior(
    model_args: Any, training_args: Any, data_args: Any, base: dict[str, Any], samples: list[Any], stated: set[str]
) -> FacialPrior | None:
    """The prior of the run: the one that the flags name, else the one that the base model carries."""
    name, file = model_args.facial_prior_tower, model_args.facial_prior_model
    size, carried = model_args.facial_prior_hidden_size, None
    if model_args.vision_tower and base.get("facial_prior_tower"):
        carried = base["facial_prior_tower"]
        _refuse_other_prior(model_args, base, stated)
        name, file, size = carried, file or base.get("facial_prior_model"), base.get("facial_prior_hidden_size")
    if name is not None and hasattr(data_args, "read_samples"):
        raise InputError(
            f"The facial prior {name} is asked for with clips{' by the base model' if carried else ''}.",
            "A clip is read as a trajectory of landmarks, which is the severity path's own; no prior goes with it.",
            "Leave --facial_prior_tower out, and start from a base model without a prior.",
        )
    if name is None:
        needless = [
            flag for flag in NEEDS_A_PRIOR if getattr(model_args, flag, None) or getattr(training_args, flag, None)
        ]
        if needless:
            raise InputError(
                f"--{needless[0]} is given, and there is no facial prior.",
                "It concerns the projector of a prior, which --facial_prior_tower names or the base model carries.",
                "Give --facial_prior_tower, or leave the flag out.",
            )
    return build_run_prior(name, file, size, samples)


def _refuse_other_prior(model_args: Any, base: dict[str, Any], stated: set[str]) -> None:
    """A base model's prior was trained as its config.json says: a flag may confirm that, and not change it."""
    config = FabaLlavaConfig()
    for field in CARRIED:
        value, kept = getattr(model_args, field), base.get(field, getattr(config, field))
        if field in stated and value is not None and value != kept:
            raise InputError(
                f"--{field} is {value!r}, and the base model carries a prior with {kept!r}.",
                "A model keeps the prior it was trained with; only --facial_prior_model, the path of its model file, "
                "and --facial_prior_dropout may differ.",
                "Leave the flag out, or start from a base model without a prior.",
            )


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
