"""run.json: what a training run is, written when it starts, and by which another run in the same folder is refused.

Model cards are made from it. Two runs are the same when base model, data, prior, trained parts, seed and learning
rates are. How long they train, on how many devices and in which batches is not compared, so that a run can be resumed
on another machine; where DeepSpeed's checkpoints bind it to a number of ranks, `saving.refuse_other_ranks` says so.
"""

from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from llava_faba import __version__
from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import file_hash, read_json, write_json
from llava_faba.prior.precomputed import stored_version
from llava_faba.train.fit import GIB, estimate_of_run
from llava_faba.train.inputs import RunInputs
from llava_faba.vocabulary import RUN_RECORD, SEVERITY_WEIGHTS

PACKAGES = ("torch", "transformers", "peft", "accelerate", "deepspeed", "bitsandbytes")
COMPARED = ("base_model", "data", "prior", "trained", "seed", "learning_rates")
A_MODEL = ("config.json", "adapter_config.json", "checkpoint-*")  # in a folder without run.json: a stranger's run


def make_record(
    model_args: Any,
    data_args: Any,
    training_args: Any,
    base: dict[str, Any],
    inputs: RunInputs,
    files: list[Path],
    changed: dict[str, Any],
) -> dict[str, Any]:
    """Return the record of a run; `changed` are the flags that were given and differ from their defaults."""
    prior = inputs.prior
    ranks = training_args.world_size
    per_device, accumulation = training_args.per_device_train_batch_size, training_args.gradient_accumulation_steps
    folder = Path(model_args.model_name_or_path).expanduser()
    return {
        "base_model": str(folder.resolve()) if folder.is_dir() else str(model_args.model_name_or_path),
        "base_revision": base.get("_commit_hash"),  # the commit of a model of the hub; None for a folder
        "data": [{"file": file.name, "sha256": file_hash(file)} for file in files],
        "n_samples": len(inputs.samples),
        "prior": None if prior is None else _prior(model_args, base, inputs),
        "trained": _trained(model_args, training_args),
        "seed": training_args.seed,
        "learning_rates": {
            "base": training_args.learning_rate,
            "mm_projector": training_args.mm_projector_lr or training_args.learning_rate,
        },
        "batch": {
            "per_device": per_device,
            "gradient_accumulation": accumulation,
            "ranks": ranks,
            "total": per_device * accumulation * ranks,
        },
        "epochs": training_args.num_train_epochs,
        "max_steps": training_args.max_steps if training_args.max_steps > 0 else None,
        "precision": "bfloat16" if training_args.bf16 else "float16" if training_args.fp16 else "float32",
        "memory": _memory(model_args, training_args, prior.dim if prior is not None else None),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "validation": None if inputs.validation is None else inputs.validation.record(),
        "versions": {"llava_faba": __version__, **{name: _version(name) for name in PACKAGES}},
        "flags": changed,
        "resumed_from": None,
    }


def refuse_another_run(folder: Path, record: dict[str, Any]) -> None:
    """Refuse an output folder that holds another run, naming what differs, or a model whose run is not recorded."""
    file = folder / RUN_RECORD
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"--output_dir {folder} is a file.", "A run writes into a folder of its own.", "Choose another."
        )
    if not file.is_file():
        found = next((path.name for pattern in A_MODEL for path in sorted(folder.glob(pattern))), None)
        if found:
            raise InputError(
                f"The output folder {folder} holds {found} and no {RUN_RECORD}: it belongs to another run or model.",
                "A run writes into a folder of its own, new, empty or begun by the same run.",
                "Choose another --output_dir, or remove that folder.",
            )
        return
    stored = read_json(file, "run record")
    before, now = _identity(stored), _identity(record)
    differ = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if differ:
        listed = "; ".join(f"{key} was {before.get(key)!r} and is now {now.get(key)!r}" for key in differ[:3])
        more = f"; and {len(differ) - 3} more" if len(differ) > 3 else ""
        raise InputError(
            f"The output folder {folder} holds another run: {listed}{more}.",
            "A folder holds one run, which the same command continues from its newest checkpoint.",
            "Choose another --output_dir, or remove that folder.",
        )


def write_record(folder: str | Path, record: dict[str, Any], resumed_from: str | None) -> None:
    """Write the record of a run that starts, or goes on from a checkpoint."""
    write_json(Path(folder) / RUN_RECORD, {**record, "resumed_from": resumed_from})


def write_peak(folder: str | Path, when: str) -> None:
    """Put the greatest memory that tensors took on this GPU so far into the record, beside the estimate."""
    file = Path(folder) / RUN_RECORD
    record = read_json(file, "run record")
    measured = (record.setdefault("memory", {}).get("measured_gib") or {}) | {
        when: round(torch.cuda.max_memory_allocated() / GIB, 3)
    }
    record["memory"]["measured_gib"] = measured
    write_json(file, record)


def _memory(model_args: Any, training_args: Any, prior_size: int | None) -> dict[str, Any]:
    """The estimate of the memory, with its line for the reader; the measured peak comes when there is one."""
    cuda = torch.cuda.is_available()
    memory = float(torch.cuda.get_device_properties(0).total_memory) if cuda else None
    found = estimate_of_run(model_args, training_args, prior_size, on_cpu=not cuda)
    known = {} if found is None else {"line": found.line(memory), "estimate": found.as_json(memory)}
    return {**known, "measured_gib": None}


def _prior(model_args: Any, base: dict[str, Any], inputs: RunInputs) -> dict[str, Any]:
    prior = inputs.prior
    assert prior is not None
    carried = base.get("facial_prior_tower") is not None
    given = {
        field: base.get(f"facial_prior_{field}") if carried else getattr(model_args, f"facial_prior_{field}")
        for field in ("projector_type", "position", "normalisation")
    }
    return {
        "name": prior.name,
        "version": _prior_version(inputs),
        "size": prior.dim or model_args.facial_prior_hidden_size,
        **given,
        "normalisation": given["normalisation"] or prior.normalisation,
        "dropout": model_args.facial_prior_dropout,
        "from_base": carried,
    }


def _prior_version(inputs: RunInputs) -> str | None:
    """The prior's version; where every face has a stored prior the manifest's, if the model file is not here."""
    assert inputs.prior is not None
    try:
        return inputs.prior.version
    except MissingFileError:
        faces = [sample for sample in inputs.samples if sample.image is not None]
        if not faces or any(sample.prior_path is None for sample in faces):
            raise
        return stored_version(faces[0].prior_path.parent)


def _trained(model_args: Any, training_args: Any) -> dict[str, Any]:
    """Which parts are trained, and how."""
    lora = None
    if training_args.lora_enable:
        names = ("r", "alpha", "dropout", "bias")
        lora = {name: getattr(training_args, f"lora_{name}") for name in names}
    return {
        "method": "lora" if lora else "projectors" if model_args.tune_mm_mlp_adapter else "full",
        "lora": lora,
        "bits": training_args.bits,
        "freeze_backbone": model_args.freeze_backbone,
        "mm_projector": not training_args.freeze_mm_mlp_adapter,
        "facial_prior_projector": model_args.tune_facial_prior_projector,
        "facial_prior_projector_only": training_args.tune_only_facial_prior_projector,
    }


def _identity(record: dict[str, Any]) -> dict[str, Any]:
    """What is compared, by dotted names; a training file's content under its name."""
    data = {entry["file"]: entry["sha256"] for entry in record.get("data") or []}
    return _flat({**{key: record.get(key) for key in COMPARED}, "data": data})


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested values by dotted names: {"trained": {"lora": {"r": 4}}} -> {"trained.lora.r": 4}."""
    if not isinstance(value, dict):
        return {name: value}
    return {
        inner: leaf
        for key, part in value.items()
        for inner, leaf in _flat(part, f"{name}.{key}" if name else key).items()
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


GROUPS = (  # part of a parameter's name -> what it is, first match wins
    ("lora_", "LoRA adapters"),
    ("facial_prior_projector", "facial prior projector"),
    ("severity_path", "severity path"),
    ("motion_projection", "motion projection"),
    ("fusion_projection", "fusion projection"),
    ("mm_projector", "visual projector"),
    ("vision_tower", "vision tower"),
    ("embed_tokens", "token embeddings"),
    ("lm_head", "output head"),
    ("", "language model"),
)


def print_start(model: Any) -> None:
    """Print each part of the model with its trained and frozen weights, and the prior."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, parameter in model.named_parameters():
        group = next(label for part, label in GROUPS if part in name)
        # Under ZeRO-3 a parameter holds a share of its numbers and knows how many there are.
        packed = getattr(parameter, "quant_state", None)  # two weights of 4 bits share a byte
        size = parameter.numel() if packed is None else packed.shape.numel()
        counts[group][not parameter.requires_grad] += getattr(parameter, "ds_numel", size)
    print(f"\n{'part':<24}{'trained':>16}{'frozen':>16}")
    for _, label in GROUPS:
        if label in counts:
            trained, frozen = counts[label]
            print(f"{label:<24}{trained:>16,}{frozen:>16,}")
    config = model.config
    if getattr(config, "facial_prior_tower", None):
        fitted = "fitted on the training set" if config.facial_prior_mean is not None else "none"
        print(
            f"facial prior: {config.facial_prior_tower}, {config.facial_prior_hidden_size} numbers, "
            f"{config.facial_prior_position} the visual tokens, normalisation {fitted}"
        )
    else:
        print("facial prior: none (stock LLaVA)")
    print(flush=True)


def print_end(output_dir: str | Path, base: str) -> None:
    """Print what lies in the output folder and the command that describes faces, or assesses clips, with it."""
    names = {path.name for path in Path(output_dir).iterdir() if path.is_file()}
    print(f"\nwritten to {output_dir}: {', '.join(sorted(names))}")
    needs_base = names & {"adapter_config.json", "mm_projector.bin"}
    onto = f" --model-base {base}" if needs_base else ""
    command, on = (
        ("assess CLIP.mp4", "--expression smile") if SEVERITY_WEIGHTS in names else ("describe", "--image FACE.jpg")
    )
    print(f"next: llava-faba {command} --model-path {output_dir}{onto} {on}", flush=True)
