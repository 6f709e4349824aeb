"""Weight files: read them without running anything in them, and hold the prior's weights against its configuration.

LLaVA loads with `strict=False`, so a missing projector stays random without a word; here every missing, extra or
misshapen weight of the prior is an error that names it.
"""

import pickle
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import read_json
from llava_faba.model.prior_modules import build_facial_prior_projector

PRIOR_PREFIX = "model.facial_prior_projector."
PRIOR_FILE = "facial_prior_projector.safetensors"
KEY_MAP = {"landmark_feature_projector": "facial_prior_projector"}  # EmoLA's name of the prior's projector -> ours
SHARDS = ("model-*-of-*.safetensors", "pytorch_model-*-of-*.bin")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
SHOWN = 4  # weights that an error lists


def read_weights(file: Path, match: str = "") -> dict[str, Tensor]:
    """Read the tensors whose name contains `match`, on the CPU; a pickle is read with `weights_only=True`."""
    file = Path(file)
    if not file.is_file():
        raise MissingFileError(
            f"The weight file {file} does not exist.", "A checkpoint keeps all its files.", "Copy it again, whole."
        )
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as stored:
                return {name: stored.get_tensor(name) for name in stored.keys() if match in name}
        # Mapped into memory, so that looking for a few weights in a large file does not read it whole.
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise _unreadable(file, error) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            f"The weight file {file} holds no state dict.",
            "It must map the names of weights to tensors.",
            "Save it with torch.save(model.state_dict(), ...) or as safetensors.",
        )
    return {name: tensor for name, tensor in state.items() if match in name}


def _unreadable(file: Path, error: Exception) -> InputError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputError(
        f"The weight file {file} cannot be read as tensors: {reason}",
        "It holds named tensors and nothing else; a pickle that holds code is never run.",
        "Get the file again from where it was made, best as safetensors: it may be half downloaded, or a pointer of "
        "git-lfs.",
    )


def stored_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor in a weight file, as stored, without reading the tensors."""
    if Path(file).suffix != ".safetensors":
        return {name: tuple(tensor.shape) for name, tensor in read_weights(file).items()}  # mapped, not read
    try:
        with safe_open(file, framework="pt") as stored:
            return {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}
    except (SafetensorError, OSError) as error:
        raise _unreadable(file, error) from error


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of a whole model's weights, in the order in which transformers looks for them; or none.

    Raises MissingFileError where one of several files, or the index that lists them, is missing.
    """
    for name in WEIGHTS:
        file = folder / name
        if not file.is_file():
            continue
        if not name.endswith(".index.json"):
            return (file,)
        index = read_json(file, "index of weights")
        listed = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(listed, dict) or not listed:
            raise InputError(
                f"The index {file} has no weight_map.",
                "It lists every weight with the file that holds it.",
                "Fetch the model again, whole.",
            )
        shards = sorted(set(map(str, listed.values())))
        missing = [shard for shard in shards if not (folder / shard).is_file()]
        if missing:
            raise MissingFileError(
                f"The model {folder} is not complete: {', '.join(missing)} of {len(shards)} files that {name} lists "
                f"{'is' if len(missing) == 1 else 'are'} not there.",
                "All files of a model's weights belong together.",
                "Fetch the model again, whole; an interrupted download goes on where it stopped.",
            )
        return tuple(folder / shard for shard in shards)
    stray = next((file.name for pattern in SHARDS for file in sorted(folder.glob(pattern))), None)
    if stray:
        raise MissingFileError(
            f"The model {folder} is not complete: {stray} is there, and no index.json that lists its weights.",
            "Weights in several files come with model.safetensors.index.json or pytorch_model.bin.index.json.",
            "Fetch the model again, whole.",
        )
    return ()


def canonical_name(name: str) -> str:
    """Return a weight's name in our model, from the names that peft, LLaVA's saver and EmoLA give it."""
    if name.startswith("base_model."):
        name = name.removeprefix("base_model.")
    if name.startswith(("model.model.", "model.lm_head.")):
        name = name.removeprefix("model.")
    for theirs, ours in KEY_MAP.items():
        name = name.replace(f"{theirs}.", f"{ours}.")
    return name


def require_prior_weights(config: Any, found: Mapping[str, Any], where: Path | str) -> None:
    """Compare the prior's weights in `found` (name -> tensor, canonical names) with what `config` describes."""
    expected = _expected_shapes(config)
    shapes = {name: tuple(weight.shape) for name, weight in found.items() if name.startswith(PRIOR_PREFIX)}
    defects = [f"{name} is missing" for name in sorted(expected.keys() - shapes.keys())]
    defects += [f"{name} is there and not expected" for name in sorted(shapes.keys() - expected.keys())]
    defects += [
        f"{name} has the shape {shapes[name]}, expected {expected[name]}"
        for name in sorted(expected.keys() & shapes.keys())
        if shapes[name] != expected[name]
    ]
    if defects:
        prior = config.facial_prior_tower or "none"
        raise InputError(
            f"The checkpoint {where} does not hold the weights of its facial prior ({prior}): {'; '.join(defects)}.",
            "config.json and the weights of facial_prior_projector belong together, name by name and shape by shape.",
            "Use the files of one training run, whole; without its projector a model with a prior answers at random.",
        )


def _expected_shapes(config: Any) -> dict[str, tuple[int, ...]]:
    if not config.facial_prior_tower:
        return {}
    with torch.device("meta"):
        projector = build_facial_prior_projector(config)
    return {PRIOR_PREFIX + name: tuple(weight.shape) for name, weight in projector.state_dict().items()}


def whole(parameter: Tensor) -> AbstractContextManager[Any]:
    """Within it a parameter that ZeRO-3 has split is whole on every rank, and what is written into it is kept."""
    if not hasattr(parameter, "ds_id"):
        return nullcontext()
    from deepspeed import zero

    return zero.GatheredParameters([parameter], modifier_rank=0)


PROJECTOR_FILES = (  # later ones win: EmoLA's loader ignores the prior in non_lora_trainables.bin for its own file
    "mm_projector.bin",
    "non_lora_trainables.bin",
    "non_lora_trainables.safetensors",  # in a checkpoint-N of training
    "landmark_feature_projector.bin",
    PRIOR_FILE,
)


def read_projectors(folder: Path) -> dict[str, Tensor]:
    """Read what was trained beside an adapter, or a pretrained projector, by canonical names."""
    state: dict[str, Tensor] = {}
    for name in PROJECTOR_FILES:
        if (folder / name).is_file():
            state |= {canonical_name(key): tensor for key, tensor in read_weights(folder / name).items()}
    return state


def put_projectors(model: Any, state: Mapping[str, Tensor], folder: Path) -> None:
    """Put what `read_projectors` read into a model, in the model's numbers and on its devices."""
    own = dict(model.named_parameters())
    strangers = [name for name in state if name not in own or own[name].shape != state[name].shape]
    if strangers:
        raise InputError(
            f"The weights beside the adapter in {folder} do not fit the base model: {', '.join(strangers[:4])}.",
            "They are weights of the base model's architecture, name by name and shape by shape.",
            "Check that --model-base is the model that this checkpoint was trained on.",
        )
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)


def require_fit(
    expected: Mapping[str, tuple[int, ...]],
    stored: Mapping[str, tuple[int, ...]],
    elsewhere: Collection[str],
    where: Path | str,
    ignored: Sequence[str] = (),
) -> None:
    """Compare the shapes of the weights that a model has with those that a checkpoint stores, by canonical names.

    `elsewhere` are names that another file supplies; `ignored` are patterns of stored names that need not be expected.
    """
    extra = [name for name in stored.keys() - expected.keys() if not any(re.search(p, name) for p in ignored)]
    defects = [f"{name} is missing" for name in sorted(expected.keys() - stored.keys() - set(elsewhere))]
    defects += [f"{name} is there and not expected" for name in sorted(extra)]
    defects += [
        f"{name} has the shape {tuple(stored[name])}, expected {tuple(expected[name])}"
        for name in sorted(expected.keys() & stored.keys())
        if tuple(stored[name]) != tuple(expected[name])
    ]
    if defects:
        more = f"; and {len(defects) - SHOWN} more" if len(defects) > SHOWN else ""
        raise InputError(
            f"The weights in {where} are not those that its config.json describes: {'; '.join(defects[:SHOWN])}{more}.",
            "config.json and the weights belong together, name by name and shape by shape.",
            "Use the files of one model, whole; with an adapter, give the base model that it was trained on.",
        )


def require_loaded(report: Mapping[str, Any], elsewhere: Collection[str], where: Path | str) -> None:
    """Check what transformers reports of a load: nothing missing but what `elsewhere` supplies, nothing left over."""
    missing = sorted(set(report["missing_keys"]) - set(elsewhere))
    listed = missing + sorted(map(str, [*report["unexpected_keys"], *report["mismatched_keys"]]))
    if listed:
        raise InputError(
            f"Loading {where} left {len(listed)} weights that do not fit: {', '.join(listed[:SHOWN])}.",
            "Every weight of the model comes from its files.",
            "Use the files of one model, whole.",
        )
