"""What LLaVA's train() saves at its end, made whole: the prior's projector is always among it.

`with_frozen_prior` and `with_cpu_saving` take LLaVA's functions and return ours around them (plugin.py).
"""

import functools
import json
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from llava_faba.errors import InputError
from llava_faba.files import write_json
from llava_faba.model.weights import PRIOR_FILE, PRIOR_PREFIX, canonical_name, read_weights


def prior_parameters(model: Any) -> dict[str, Tensor]:
    """Return the parameters of the model's prior by their canonical names."""
    named = ((canonical_name(name), parameter) for name, parameter in model.named_parameters())
    return {name: parameter for name, parameter in named if name.startswith(PRIOR_PREFIX)}


def gather(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy parameters to the CPU, whole under ZeRO-3 too; every rank must call it."""
    from llava.train.train import maybe_zero_3

    if not any(hasattr(parameter, "ds_id") for parameter in parameters.values()):
        return {name: parameter.detach().cpu().clone() for name, parameter in parameters.items()}
    return {name: maybe_zero_3(parameter, ignore_status=True) for name, parameter in parameters.items()}


def non_lora_weights(model: Any) -> dict[str, Tensor]:
    """Return what an adapter's checkpoint must hold beside the adapter, by canonical names; empty without an adapter.

    It is all that is trained outside the adapter, and the prior's projector, frozen too: nobody else has its weights.
    """
    named = list(model.named_parameters())
    if not any("lora_" in name for name, _ in named):
        return {}
    return {canonical_name(name): parameter for name, parameter in named if _is_kept(name, parameter)}


def assign(parameters: dict[str, Tensor], file: Path) -> None:
    """Load weights from a file into parameters, name by name, split ones under ZeRO-3 too; every rank must call it."""
    stored = read_weights(file)
    wrong = [
        name
        for name, parameter in parameters.items()
        if name not in stored or stored[name].shape != getattr(parameter, "ds_shape", parameter.shape)
    ]
    if wrong:
        raise InputError(
            f"The file {file} does not hold {', '.join(wrong)} as this run's model has them.",
            "Resuming restores every weight that is trained beside the adapter.",
            "Resume with the flags that the run was started with, or start over in another --output_dir.",
        )
    for name, parameter in parameters.items():
        with _whole(parameter), torch.no_grad():
            parameter.copy_(stored[name])


def _is_kept(name: str, parameter: Tensor) -> bool:
    return "lora_" not in name and (parameter.requires_grad or canonical_name(name).startswith(PRIOR_PREFIX))


def _whole(parameter: Tensor) -> AbstractContextManager[Any]:
    """Within it a parameter that ZeRO-3 has split is whole on every rank, and what is written into it is kept."""
    if not hasattr(parameter, "ds_id"):
        return nullcontext()
    from deepspeed import zero

    return zero.GatheredParameters([parameter], modifier_rank=0)


def save_prior(model: Any, folder: str | Path, is_writer: bool) -> None:
    """Write the prior's projector into `folder` as safetensors; every rank must call it, one writes."""
    parameters = gather(prior_parameters(model))
    if parameters and is_writer:
        Path(folder).mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in parameters.items()}, Path(folder) / PRIOR_FILE)


def with_frozen_prior(stock: Callable[..., dict[str, Tensor]]) -> Callable[..., dict[str, Tensor]]:
    """A frozen projector of a prior is saved too: nobody else has its weights."""

    @functools.wraps(stock)
    def get_peft_state_non_lora_maybe_zero_3(
        named_params: Iterable[tuple[str, Tensor]], require_grad_only: bool = True
    ) -> dict[str, Tensor]:
        chosen = {
            name: parameter
            for name, parameter in named_params
            if _is_kept(name, parameter) or ("lora_" not in name and not require_grad_only)
        }
        return gather(chosen)

    return get_peft_state_non_lora_maybe_zero_3


def with_cpu_saving(stock: Callable[..., None]) -> Callable[..., None]:
    """LLaVA's synchronises CUDA under DeepSpeed, which a machine may not have, and lets every rank write a config."""

    @functools.wraps(stock)
    def safe_save_model_for_hf_trainer(trainer: Any, output_dir: str) -> None:
        adapter_only = getattr(trainer.args, "tune_mm_mlp_adapter", False)
        if adapter_only and not trainer.args.should_save:
            from llava.train.train import get_mm_adapter_state_maybe_zero_3

            get_mm_adapter_state_maybe_zero_3(trainer.model.named_parameters(), ["mm_projector"])  # all ranks gather
        elif not adapter_only and getattr(trainer, "deepspeed", None) and not torch.cuda.is_available():
            trainer.save_model(output_dir)
        else:
            stock(trainer, output_dir)

    return safe_save_model_for_hf_trainer


COMPLETE = "COMPLETE"


def mark_complete(folder: Path) -> None:
    """Write the list of a checkpoint's files and sizes in bytes; all ranks must have written theirs."""
    write_json(folder / COMPLETE, {"files": {name: path.stat().st_size for name, path in _files(folder).items()}})


def defect(folder: Path) -> str | None:
    """Say what is wrong with a checkpoint; None where it is whole."""
    try:
        listed = json.loads((folder / COMPLETE).read_bytes())["files"].items()
    except FileNotFoundError:
        return f"it has no {COMPLETE}: saving it was interrupted, or stock LLaVA wrote it, without the projectors"
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return f"its {COMPLETE} cannot be read"
    there = _files(folder)
    for name, size in listed:
        if name not in there:
            return f"{name} is missing"
        if there[name].stat().st_size != size:
            return f"{name} has {there[name].stat().st_size} bytes instead of {size}"
    return None


def newest_complete(output_dir: str | Path) -> tuple[Path | None, list[str]]:
    """Return the newest whole checkpoint (None where there is no checkpoint), and a line for each newer damaged one.

    Raises InputError when there are checkpoints and none is whole.
    """
    passed_over = []
    for folder in reversed(_checkpoints(Path(output_dir))):
        reason = defect(folder)
        if reason is None:
            return folder, passed_over
        passed_over.append(f"{folder.name} is passed over: {reason}.")
    if passed_over:
        raise InputError(
            f"No checkpoint in {output_dir} can be resumed from. {' '.join(passed_over)}",
            "A whole checkpoint holds the adapter, the trained projectors, the optimiser and their list.",
            "Remove the checkpoint folders to start over, or choose another --output_dir.",
        )
    return None, []


def refuse_other_ranks(output_dir: str | Path, deepspeed: Any, ranks: int) -> None:
    """Refuse to resume where DeepSpeed cannot: its checkpoints are split over the ranks that wrote them."""
    present = [folder for folder in reversed(_checkpoints(Path(output_dir))) if defect(folder) is None]
    if not present:
        return
    folder = present[0]
    parts = len(list(folder.glob("global_step*/*optim_states.pt")))
    if deepspeed and parts == 0:
        found, remedy = "was saved without DeepSpeed, and this run uses it", "Leave --deepspeed out"
    elif parts and not deepspeed:
        found, remedy = f"was saved by DeepSpeed on {parts} ranks, and this run uses none", "Give --deepspeed"
    elif parts and parts != ranks:
        found = f"was saved by DeepSpeed on {parts} ranks, and this run has {ranks}"
        remedy = f"Start it on {parts} ranks (GPUS={parts} for scripts/finetune_faba_lora.sh)"
    else:
        return
    raise InputError(
        f"The checkpoint {folder} {found}.",
        "DeepSpeed splits optimiser and gradients over the ranks, and reads back only its own parts.",
        f"{remedy}, or remove the checkpoint folders to start over.",
    )


def make_room(folder: Path) -> None:
    """Remove what an interrupted run left where a checkpoint is about to be written."""
    for leftover in (folder, folder.with_name(f"tmp-{folder.name}")):  # transformers 4.37 writes into the latter first
        shutil.rmtree(leftover, ignore_errors=True)


def replace_folder(partial: Path, folder: Path) -> None:
    """Put a folder that was written under another name in the place of an older one, if there is one."""
    old = folder.with_name(f"old-{folder.name}")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def prune(output_dir: str | Path, limit: int | None) -> None:
    """Remove all but the newest `limit` checkpoints; called when the newest is complete, so that one always is."""
    if limit:
        for folder in _checkpoints(Path(output_dir))[:-limit]:
            shutil.rmtree(folder, ignore_errors=True)


def _checkpoints(output_dir: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    folders = [path for path in output_dir.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted((path for path in folders if path.is_dir()), key=lambda path: int(path.name.split("-")[1]))


def _files(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != COMPLETE
    }
