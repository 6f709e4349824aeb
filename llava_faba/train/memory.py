"""A model's shape and a run's flags -> the GPU memory that training takes, by part and by moment, without torch.

Tensors are counted as PyTorch keeps them in LLaVA's training step: which are saved for the backward pass, in which
numbers, and which are alive together. scripts/benchmarks/memory.py holds it against real training steps.

Frozen weights have no gradients and no optimiser states. DeepSpeed's own estimate counts them as trained
(github.com/deepspeedai/DeepSpeed/issues/5304), and is not used.
"""

from dataclasses import dataclass, field

from llava_faba.train.recipe import Recipe
from llava_faba.train.shape import ModelShape, mlp_weights

BYTES_OF_BITS = {  # of a quantised weight; bitsandbytes' functional.py, quantize_4bit and int8_vectorwise_quant
    4: 0.5 + 1 / 64 + 4 / (64 * 256),  # half a byte, a byte a block of 64, a float32 for 256 of those (double_quant)
    8: 1.0,  # and a float32 a row, too few to count
}
STATES = 2  # AdamW keeps two numbers a trained weight
LIVE_PARAMETERS = 1e9  # scripts/zero3.json, stage3_max_live_parameters
REUSE_DISTANCE = 1e9  # scripts/zero3.json, stage3_max_reuse_distance
SUB_GROUP = 1e9  # scripts/zero3.json, sub_group_size


@dataclass(frozen=True)
class Peak:
    """The memory of one GPU in bytes: `parts` at their greatest, and `moments`, each with what is alive in it."""

    parts: dict[str, float]
    moments: dict[str, float] = field(default_factory=dict)

    @property
    def moment(self) -> str:
        """The moment that takes most."""
        return max(self.moments, key=self.moments.__getitem__)

    @property
    def total(self) -> float:
        return self.moments[self.moment]


def peak(shape: ModelShape, recipe: Recipe, length: int, generous: bool = False) -> Peak:
    """Return the memory of tensors on one GPU where every sequence has `length` tokens, image tokens included.

    `generous` takes the greater of what depends on data and schedules: attention masks of padded batches, and the
    weights that ZeRO-3 has gathered.
    """
    frozen, trained = weights(shape, recipe)
    share = recipe.gpus if recipe.zero == 3 else 1
    split = recipe.gpus if recipe.zero else 1  # optimiser states; gradients from stage 2 on
    trained_bytes = sum(n * size for n, size in trained.values())
    n_trained = sum(n for n, _ in trained.values())
    split_gradients = recipe.gpus if recipe.zero >= 2 else 1
    gradients = trained_bytes / split_gradients
    buckets = 0.0
    if recipe.zero:
        buckets = 2 * shape.hidden**2 * recipe.weight  # reduce_bucket_size "auto" is hidden**2; overlap_comm: two
    elif recipe.gpus > 1:
        buckets = trained_bytes  # DDP's copy of the gradients
    states = (STATES + 1) * 4 * n_trained / split if recipe.zero else STATES * trained_bytes
    step = _optimiser_step(shape, recipe, n_trained / split, trained_bytes)
    if recipe.offload:
        states = step = 0.0
    tokens = recipe.per_device_train_batch_size * length
    layer, working = layer_activations(shape, recipe, length, generous)
    checkpoints = tokens * (shape.hidden * recipe.stream + _inputs_of_8_bits(shape, recipe))
    kept = shape.layers * (checkpoints if recipe.gradient_checkpointing else layer)
    around = _around_layers(shape, recipe, tokens)
    # Log-probabilities and two gradients, all in float32.
    logits = (16.0 if recipe.copied_logits else 12.0) * tokens * shape.vocabulary
    copies = _autocast_copies(shape, recipe, trained)
    gathered = _gathered(shape, recipe, generous)
    vision = _vision_activations(shape, recipe)
    base = sum(frozen.values()) / share + trained_bytes / share + states + gathered
    head = trained["output head"][0] * trained["output head"][1] / split_gradients if "output head" in trained else 0.0
    recomputed = layer if recipe.gradient_checkpointing else 0.0
    moments = {
        "vision tower": base + vision,
        "loss": base + kept + around + logits + (0 if recipe.gradient_checkpointing else copies),
        "loss, forward": base + kept + around + tokens * shape.vocabulary * (10 if recipe.compute == 2 else 8) + copies,
        "last layer's backward": base + kept + around + recomputed + working + head + buckets,
        "first layer's backward": base + kept / shape.layers + around + recomputed + working + gradients + buckets,
        "optimiser step": base - gathered + gradients + step + buckets,
    }
    parts = {
        **{f"weights: {name}": size / share for name, size in frozen.items()},
        **{f"trained: {name}": n * size / share for name, (n, size) in trained.items()},
        "gradients": gradients + buckets,
        "optimiser states": states,
        "optimiser step": step,
        "gathered weights (ZeRO-3)": gathered,
        "kept activations": kept + around,
        "one layer's activations": recomputed + working,
        "logits in float32": logits,
        "vision tower's activations": vision,
    }
    return Peak({name: size for name, size in parts.items() if size}, moments)


def weights(shape: ModelShape, recipe: Recipe) -> tuple[dict[str, float], dict[str, tuple[int, int]]]:
    """Return the bytes of frozen parts, and the count and bytes a number of trained ones, all before any splitting."""
    w = recipe.weight
    quantised = recipe.bits != 16
    matrices = BYTES_OF_BITS.get(recipe.bits, w)
    beside = w if recipe.zero or not quantised else 2 if recipe.bf16 else 4  # peft makes what it leaves float32
    fresh = w if recipe.zero and recipe.half else 4  # modules that training adds are float32 where DeepSpeed is not
    language = shape.layers * shape.layer_weights
    frozen: dict[str, float] = {}
    trained: dict[str, tuple[int, int]] = {}
    if recipe.method == "full":
        trained["language model"] = (language + shape.norm_weights, w)
        trained["token embeddings"] = trained["output head"] = (shape.embedding_weights, w)
    else:
        frozen["language model"] = language * matrices + shape.norm_weights * (beside if recipe.zero else fresh)
        frozen["token embeddings"] = shape.embedding_weights * beside
        # LLaVA names what is not quantised, and with that the output head is (transformers, quantizers/base.py).
        frozen["output head"] = shape.embedding_weights * matrices
    if recipe.lora_enable and not recipe.tune_mm_mlp_adapter:
        # LLaVA puts QLoRA's adapters into bfloat16.
        narrow = recipe.zero or not recipe.float32_adapters or quantised
        size = 2 if narrow and (recipe.bf16 if quantised and not recipe.zero else recipe.half) else 4
        trained["LoRA adapters"] = (shape.adapter_weights(recipe.lora_r), size)
    if shape.projector:
        trained["visual projector"] = (mlp_weights(shape.projector), recipe.compute if quantised else w)
    if shape.prior:
        trained["facial prior projector"] = (mlp_weights(shape.prior), fresh)
    if shape.vision:
        frozen["vision tower"] = shape.vision.parameters * 2  # LLaVA puts it into 16 bits whatever the rest has
    return frozen, trained


def layer_activations(shape: ModelShape, recipe: Recipe, length: int, generous: bool = False) -> tuple[float, float]:
    """Return the bytes that one decoder layer saves for its backward pass, and those that come and go beside them."""
    h, i, kv, e = shape.hidden, shape.intermediate, shape.kv_width, recipe.compute
    full = recipe.method == "full"
    upcast = 4 * h if recipe.stream == 2 else 0  # a norm's input in float32; a float32 stream is saved itself
    norms = 2 * (upcast + (recipe.stream * h if full else 0)) + (0 if upcast else 4 * h)
    attention = e * (2 * h + 2 * kv) + 4 * shape.heads  # q and k with their positions, v, output, log of the sums
    mlp = 3 * e * i  # gate, its activation, up
    saved = norms + attention + mlp
    if full:  # the inputs of the linear layers: both norms' outputs, and gate times up
        saved += e * (2 * h + i)
    saved += _inputs_of_8_bits(shape, recipe)
    upcasts = recipe.method == "LoRA" and recipe.float32_adapters and not recipe.zero
    wide = 4 if upcasts else e  # float32 adapters read float32
    if recipe.lora_enable and not recipe.tune_mm_mlp_adapter:
        mask = 0 if not recipe.lora_dropout else wide if recipe.on_cpu else 1  # CUDA's dropout keeps a byte
        inputs = sum(n_in for n_in, _ in shape.linears)
        saved += inputs * (mask + e) + e * recipe.lora_r * len(shape.linears)
    working = recipe.stream * h + 2 * wide * i
    batch = recipe.per_device_train_batch_size
    mask_bytes = batch * length**2 * (1 + e) if generous else 0
    dequantised = max(n_in * n_out for n_in, n_out in shape.linears) * e if recipe.bits != 16 else 0
    return batch * length * saved, batch * length * working + mask_bytes + dequantised


def _inputs_of_8_bits(shape: ModelShape, recipe: Recipe) -> float:
    """The bytes a token of the inputs that 8-bit layers keep: of q, k and v, of o, of gate and up, of down.

    bitsandbytes puts them on `ctx` (autograd/_functions.py, MatMul8bitLt), where gradient checkpointing does not see
    them: they stay to the backward pass in every layer.
    """
    if recipe.bits != 8:
        return 0.0
    norm = recipe.compute if recipe.zero else 4  # peft's float32 norms give float32
    return 2 * norm * shape.hidden + recipe.compute * (shape.hidden + shape.intermediate)


def _optimiser_step(shape: ModelShape, recipe: Recipe, n: float, trained_bytes: float) -> float:
    """What comes and goes in AdamW's step; LLaVA's default is adamw_torch, which is not fused.

    On CUDA it goes through lists, with one temporary a number for all weights at once; on a CPU weight by weight, with
    two. DeepSpeed has one flat float32 weight of `n` numbers, or several of SUB_GROUP under ZeRO-3, and a float32 copy
    of its gradients.
    """
    if recipe.zero:
        return min(n, SUB_GROUP if recipe.zero == 3 else n) * 4 * (3 if recipe.on_cpu else 2)
    if not recipe.on_cpu:
        return trained_bytes
    return (
        2 * recipe.weight * (shape.embedding_weights if recipe.method == "full" else recipe.lora_r * shape.intermediate)
    )


def _around_layers(shape: ModelShape, recipe: Recipe, tokens: int) -> float:
    """What is saved outside the layers: the projector's activations, the last norm's, the sequence, the pictures."""
    around = tokens * shape.hidden * (recipe.stream + 4.0)
    if shape.vision is not None:
        a_patch = sum(shape.projector) + shape.hidden * max(len(shape.projector) - 2, 0)  # inputs and GELUs
        pictures = 3 * shape.vision.image_size**2 * 4
        around += recipe.per_device_train_batch_size * (shape.vision.patches * recipe.compute * a_patch + pictures)
    return around


def _autocast_copies(shape: ModelShape, recipe: Recipe, trained: dict[str, tuple[int, int]]) -> float:
    """Autocast keeps a 16-bit copy of each trained float32 weight to the end of the forward pass."""
    if recipe.zero or not recipe.half:
        return 0.0
    return sum(2 * n for n, size in trained.values() if size == 4)


def _gathered(shape: ModelShape, recipe: Recipe, generous: bool) -> float:
    """The whole weights that ZeRO-3 has at one time: around the loss those that are soon used again, or all it may."""
    if recipe.zero != 3 or recipe.gpus == 1:
        return 0.0
    whole = shape.layers * shape.layer_weights + 2 * shape.embedding_weights
    if recipe.lora_enable:
        whole += shape.adapter_weights(recipe.lora_r)
    largest = max(2 * shape.layer_weights, shape.embedding_weights)  # a layer and the next one
    # A weight is kept that is used again within REUSE_DISTANCE others: forth and back, that is half as many weights.
    kept = LIVE_PARAMETERS if generous else REUSE_DISTANCE / 2
    return min(max(kept, largest), whole) * recipe.weight


def _vision_activations(shape: ModelShape, recipe: Recipe) -> float:
    """The tower runs without a graph, and hands out what every layer of it makes."""
    if shape.vision is None:
        return 0.0
    vision = shape.vision
    tokens = recipe.per_device_train_batch_size * (vision.patches + 1)
    return 2.0 * tokens * ((vision.layers + 1) * vision.hidden + 4 * vision.hidden + vision.intermediate)
