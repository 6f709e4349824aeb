"""A model's config.json -> its shape: the sizes from which its memory follows, without loading a weight.

Models and vision towers that people start from are known by name, so that an estimate needs no network.
"""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingFileError, missing_extra
from llava_faba.model.hub import config_of, is_hub_name

# The fields are those of the published config.json of each model, read there as they stand:
_LLAMA_7B = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32}
_LLAMA_13B = {"hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40, "num_attention_heads": 40}
_TOWER = {"mm_vision_tower": "openai/clip-vit-large-patch14-336", "mm_hidden_size": 1024}
_PROJECTOR = {"mm_projector_type": "mlp2x_gelu"}
KNOWN: dict[str, dict[str, Any]] = {
    # https://huggingface.co/liuhaotian/llava-v1.5-7b/blob/main/config.json
    "llava-v1.5-7b": {**_LLAMA_7B, "vocab_size": 32000, **_TOWER, **_PROJECTOR},
    # https://huggingface.co/liuhaotian/llava-v1.5-13b/blob/main/config.json
    "llava-v1.5-13b": {**_LLAMA_13B, "vocab_size": 32000, **_TOWER, **_PROJECTOR},
    # https://huggingface.co/lmsys/vicuna-7b-v1.5/blob/main/config.json, and 13b
    "vicuna-7b-v1.5": {**_LLAMA_7B, "vocab_size": 32000},
    "vicuna-13b-v1.5": {**_LLAMA_13B, "vocab_size": 32000},
}
_CLIP_LARGE = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "patch_size": 14}
KNOWN_TOWERS: dict[str, dict[str, Any]] = {
    # https://huggingface.co/openai/clip-vit-large-patch14-336/blob/main/config.json, its vision_config
    "clip-vit-large-patch14-336": {**_CLIP_LARGE, "image_size": 336},
    # https://huggingface.co/openai/clip-vit-large-patch14/blob/main/config.json
    "clip-vit-large-patch14": {**_CLIP_LARGE, "image_size": 224},
}


@dataclass(frozen=True)
class VisionShape:
    """The sizes of a CLIP vision tower."""

    hidden: int
    intermediate: int
    layers: int
    image_size: int
    patch_size: int

    @property
    def patches(self) -> int:
        """The visual tokens of one picture."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def parameters(self) -> int:
        h, i = self.hidden, self.intermediate
        layer = 4 * (h * h + h) + 2 * h * i + i + h + 4 * h  # attention, MLP, two norms
        return 3 * self.patch_size**2 * h + h + (self.patches + 1) * h + 4 * h + self.layers * layer


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a LLaVA; `projector` and `prior` are the widths along the two projectors, () where there is none."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    vision: VisionShape | None = None
    projector: tuple[int, ...] = ()
    prior: tuple[int, ...] = ()
    prior_tokens: int = 0

    @property
    def kv_width(self) -> int:
        return self.hidden * self.kv_heads // self.heads

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of each linear layer of a decoder layer: q, k, v, o, gate, up, down."""
        h, i, kv = self.hidden, self.intermediate, self.kv_width
        return (h, h), (h, kv), (h, kv), (h, h), (h, i), (h, i), (i, h)

    @property
    def layer_weights(self) -> int:
        """The weights of a decoder layer's linear layers."""
        return sum(n_in * n_out for n_in, n_out in self.linears)

    @property
    def embedding_weights(self) -> int:
        """The weights of the token embeddings; the output head has as many."""
        return self.vocabulary * self.hidden

    @property
    def norm_weights(self) -> int:
        return (2 * self.layers + 1) * self.hidden

    @property
    def image_tokens(self) -> int:
        """The tokens that a face takes in the sequence: visual ones and the prior's."""
        return (self.vision.patches if self.vision else 0) + self.prior_tokens

    def adapter_weights(self, r: int) -> int:
        """The weights of LoRA adapters of rank r: LLaVA adapts every linear layer of the decoder."""
        return self.layers * r * sum(n_in + n_out for n_in, n_out in self.linears)


def mlp_weights(widths: tuple[int, ...]) -> int:
    """Return the weights and biases of linear layers between `widths`.

    >>> mlp_weights((3, 5, 5))
    50
    """
    return sum(n_in * n_out + n_out for n_in, n_out in pairwise(widths))


def shape_of(
    model: str, vision_tower: str | None = None, prior_size: int | None = None, revision: str | None = None
) -> ModelShape:
    """Read the shape of a model: a folder, one of KNOWN by its last name, or OWNER/NAME on the hub (config.json only).

    `vision_tower` stands in where the configuration names none, `prior_size` is the length of a prior that training
    adds. Raises InputError, or MissingFileError for what is nowhere.
    """
    config = _config(model, KNOWN, "model", revision)
    missing = [name for name in _LLAMA_7B if not isinstance(config.get(name), int)]
    if missing or not isinstance(config.get("vocab_size"), int):
        raise InputError(
            f"The model {model} has a config.json without {(missing or ['vocab_size'])[0]}, or none.",
            "An estimate needs the sizes of a Llama, which a whole model's config.json states.",
            "Give the base model, not an adapter: a folder, OWNER/NAME on the hub, or one of " + ", ".join(KNOWN) + ".",
        )
    shape = shape_from(config)
    tower = vision_tower or config.get("mm_vision_tower")
    if tower:
        vision = _vision_shape(tower, None if is_elsewhere(tower) else model)
        kind = config.get("mm_projector_type") or "mlp2x_gelu"
        shape = replace(shape, vision=vision, projector=_widths(vision.hidden, shape.hidden, kind))
    if prior_size and not shape.prior:
        shape = replace(shape, prior=_widths(prior_size, shape.hidden, "mlp2x_gelu"), prior_tokens=1)
    return shape


def shape_from(config: dict[str, Any]) -> ModelShape:
    """Return the shape that the fields of a config.json describe, its vision tower left out."""
    size = config.get("facial_prior_hidden_size") or config.get("landmark_feature_hidden_size")
    kind = config.get("facial_prior_projector_type") or "mlp2x_gelu"
    return ModelShape(
        hidden=config["hidden_size"],
        intermediate=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        kv_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
        vocabulary=config["vocab_size"],
        prior=_widths(size, config["hidden_size"], kind) if size else (),
        prior_tokens=len(config.get("facial_prior_sizes") or [size]) if size else 0,
    )


def is_elsewhere(tower: str) -> bool:
    """Whether a vision tower is found by its own name, and not in or beside the model's folder."""
    path = Path(tower).expanduser()
    return path.is_dir() or path.name in KNOWN_TOWERS


def _vision_shape(tower: str, model: str | None) -> VisionShape:
    name = Path(tower).name
    beside = [] if model is None else [Path(model).expanduser() / name, Path(model).expanduser().parent / name]
    found = next((str(folder) for folder in beside if (folder / "config.json").is_file()), tower)
    config = _config(found, KNOWN_TOWERS, "vision tower")
    config = config.get("vision_config", config)
    try:
        layers = config["num_hidden_layers"]
        sizes = (config[key] for key in ("hidden_size", "intermediate_size", "image_size", "patch_size"))
        hidden, intermediate, image_size, patch_size = sizes
    except KeyError as missing:
        raise InputError(
            f"The vision tower {tower} has a config.json without {missing.args[0]}, or none.",
            "It is a CLIP vision tower: a folder, or a name on the hub such as openai/clip-vit-large-patch14-336.",
            "Give --vision_tower.",
        ) from missing
    return VisionShape(hidden, intermediate, layers, image_size, patch_size)


def _config(name: str, known: dict[str, dict[str, Any]], what: str, revision: str | None = None) -> dict[str, Any]:
    """The fields of a config.json: of a folder, else of a known name, else of the hub."""
    last = str(name).rstrip("/").rpartition("/")[2]
    if last in known and revision is None and not Path(name).expanduser().is_dir():
        return known[last]
    if not is_hub_name(name) and not Path(name).expanduser().is_dir():
        raise MissingFileError(
            f"The {what} {name} is no folder on this disk.",
            f"It is a folder, OWNER/NAME on the Hugging Face hub, or one of {', '.join(known)}.",
            "Check the path.",
        )
    if is_hub_name(name) and find_spec("huggingface_hub") is None:
        raise missing_extra("huggingface_hub", "train", f"Reading the config.json of {name}")
    return config_of(name, revision, what)


def _widths(n_in: int, n_out: int, kind: str) -> tuple[int, ...]:
    """The widths along a projector of LLaVA's kinds: linear, mlpNx_gelu, identity."""
    if kind == "identity":
        return ()
    depth = int(kind[3 : kind.index("x_gelu")]) if kind.startswith("mlp") and kind.endswith("x_gelu") else 1
    return (n_in, *[n_out] * depth)
