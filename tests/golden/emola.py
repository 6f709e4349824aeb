"""EmoLA's model in plain numpy, a checkpoint of synthetic weights in its released layout, and what that one answers.

The reference knows neither torch nor LLaVA: CLIP's vision transformer, two projectors and a Llama with LoRA, written
from the papers and the released layout. It meets the recorded outputs of the released EmoLA code where those are here
(tests/model/test_golden.py), so that the outputs recorded here, which any clone has, mean the same.

    python -m tests.golden.emola     # writes emola.npz anew
"""

import json
from pathlib import Path

import numpy as np

RECORDED = Path(__file__).with_name("emola.npz")
WIDTH, LAYERS, HEADS, PRIOR = 32, 2, 4, 212  # of the synthetic checkpoint
WORDS = 560  # as many as the tokenizer has pieces
VISION = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 3, "image_size": 28, "patch_size": 14}
RANK, ALPHA = 4, 8
IMAGE = -200  # LLaVA's token id of the image, llava/constants.py
CASES, NEW_TOKENS = 4, 8
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Reference:
    """A LLaVA with EmoLA's prior token; `weights` by the names of a whole checkpoint, LoRA already merged."""

    def __init__(self, weights, vision, *, heads, vision_heads, patch, eps=1e-6):
        self.w, self.v = (
            {name: np.asarray(value, np.float64) for name, value in part.items()} for part in (weights, vision)
        )
        self.heads, self.vision_heads, self.patch, self.eps = heads, vision_heads, patch, eps

    def logits(self, ids, pixels, prior):
        """Logits (length, words): the visual tokens replace the image, and the prior's token comes after them."""
        place = list(ids).index(IMAGE)
        visual = self._mlp(self.see(pixels), "model.mm_projector")
        token = self._mlp(np.asarray(prior, np.float64)[None], "model.landmark_feature_projector")
        words = self.w["model.embed_tokens.weight"]
        x = np.concatenate([words[ids[:place]], visual, token, words[ids[place + 1 :]]])
        for layer in range(1 + max(int(n.split(".")[2]) for n in self.w if n.startswith("model.layers."))):
            x = self._llama_layer(x, f"model.layers.{layer}.")
        return self._rms(x, "model.norm.weight") @ self.w["lm_head.weight"].T

    def greedy(self, ids, pixels, prior, n):
        """The n likeliest next tokens, one after the other."""
        new = []
        for _ in range(n):
            new.append(int(self.logits([*ids, *new], pixels, prior)[-1].argmax()))
        return new

    def see(self, pixels):
        """Pixels (3, side, side) -> patch features of CLIP's last layer but one, (patches, width)."""
        p, (_, side, _) = self.patch, pixels.shape
        grid = pixels.reshape(3, side // p, p, side // p, p).transpose(1, 3, 0, 2, 4).reshape(-1, 3 * p * p)
        kernel = self.v["embeddings.patch_embedding.weight"]
        x = np.concatenate([self.v["embeddings.class_embedding"][None], grid @ kernel.reshape(len(kernel), -1).T])
        x = self._norm(x + self.v["embeddings.position_embedding.weight"], "pre_layrnorm")
        layers = 1 + max(int(name.split(".")[2]) for name in self.v if name.startswith("encoder.layers."))
        for layer in range(layers - 1):
            name = f"encoder.layers.{layer}."
            y = self._norm(x, f"{name}layer_norm1")
            q, k, v = (self._linear(y, f"{name}self_attn.{part}_proj") for part in "qkv")
            x = x + self._linear(_attention(q, k, v, self.vision_heads), f"{name}self_attn.out_proj")
            y = self._linear(self._norm(x, f"{name}layer_norm2"), f"{name}mlp.fc1")
            x = x + self._linear(y / (1 + np.exp(-1.702 * y)), f"{name}mlp.fc2")  # CLIP's quick GELU
        return x[1:]

    def _llama_layer(self, x, name):
        y = self._rms(x, f"{name}input_layernorm.weight")
        q, k, v = (y @ self.w[f"{name}self_attn.{part}_proj.weight"].T for part in "qkv")
        q, k = _rotated(q, self.heads), _rotated(k, self.heads)
        x = x + _attention(q, k, v, self.heads, causal=True) @ self.w[f"{name}self_attn.o_proj.weight"].T
        y = self._rms(x, f"{name}post_attention_layernorm.weight")
        gate, up = (y @ self.w[f"{name}mlp.{part}_proj.weight"].T for part in ("gate", "up"))
        return x + (gate / (1 + np.exp(-gate)) * up) @ self.w[f"{name}mlp.down_proj.weight"].T

    def _mlp(self, x, name):
        from math import erf

        y = x @ self.w[f"{name}.0.weight"].T + self.w[f"{name}.0.bias"]
        y = y * (1 + np.vectorize(erf)(y / np.sqrt(2))) / 2
        return y @ self.w[f"{name}.2.weight"].T + self.w[f"{name}.2.bias"]

    def _linear(self, x, name):
        return x @ self.v[f"{name}.weight"].T + self.v[f"{name}.bias"]

    def _norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        scaled = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * self.v[f"{name}.weight"] + self.v[f"{name}.bias"]

    def _rms(self, x, name):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + self.eps) * self.w[name]


def _attention(q, k, v, heads, causal=False):
    n, width = q.shape
    q, k, v = (part.reshape(n, heads, -1).transpose(1, 0, 2) for part in (q, k, v))
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(width // heads)
    if causal:
        scores = np.where(np.tril(np.ones((n, n), bool)), scores, -np.inf)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return (shares / shares.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, width)


def _rotated(x, heads, base=10000.0):
    """Llama's rotary positions: the first half of a head's numbers pairs with the second."""
    n, width = x.shape
    half = width // heads // 2
    angles = np.arange(n)[:, None] * base ** (-np.arange(half) / half)  # (n, half)
    x = x.reshape(n, heads, 2, half)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    return np.stack([x[:, :, 0] * cos - x[:, :, 1] * sin, x[:, :, 1] * cos + x[:, :, 0] * sin], 2).reshape(n, width)


def merged(base, adapter, trained, rank, alpha):
    """The weights of a base with EmoLA's LoRA adapter and what it trained beside it, by the base's names."""
    weights = {name: np.asarray(value) for name, value in base.items() if not name.endswith("inv_freq")}
    prefix = "base_model.model."
    for name, a in adapter.items():
        if name.endswith("lora_A.weight"):
            b = np.asarray(adapter[name.replace("lora_A", "lora_B")])
            target = name.removeprefix(prefix).replace("lora_A.", "")
            weights[target] = weights[target] + alpha / rank * (b @ np.asarray(a))
    return weights | {name.removeprefix(prefix): np.asarray(value) for name, value in trained.items()}


def synthetic_weights():
    """Seeded weights: (base, vision tower, adapter, trained beside the adapter), each a dict of float32 arrays."""
    random = np.random.RandomState(0)  # whose numbers no release of numpy may change

    def normal(*shape, std=0.2):
        return random.normal(0, std, shape).astype(np.float32)

    def mlp(name, first):
        shapes = {"0.weight": (WIDTH, first), "0.bias": (WIDTH,), "2.weight": (WIDTH, WIDTH), "2.bias": (WIDTH,)}
        return {f"{name}.{part}": normal(*shape) for part, shape in shapes.items()}

    sizes = {"gate_proj": (2 * WIDTH, WIDTH), "up_proj": (2 * WIDTH, WIDTH), "down_proj": (WIDTH, 2 * WIDTH)}
    base = {"model.embed_tokens.weight": normal(WORDS, WIDTH, std=1), "model.norm.weight": 1 + normal(WIDTH, std=0.1)}
    base |= {"lm_head.weight": normal(WORDS, WIDTH)} | mlp("model.mm_projector", VISION["hidden_size"])
    adapter = {}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            base[f"{name}{norm}.weight"] = 1 + normal(WIDTH, std=0.1)
        for part in PROJECTIONS:
            out, into = sizes.get(part, (WIDTH, WIDTH))
            target = f"{name}{'mlp' if part in sizes else 'self_attn'}.{part}."
            base[f"{target}weight"] = normal(out, into)
            adapter[f"base_model.model.{target}lora_A.weight"] = normal(RANK, into)
            adapter[f"base_model.model.{target}lora_B.weight"] = normal(out, RANK)
    prefix = "base_model.model.model."
    trained = mlp(f"{prefix}mm_projector", VISION["hidden_size"]) | mlp(f"{prefix}landmark_feature_projector", PRIOR)
    return base, _synthetic_tower(normal), adapter, trained


def _synthetic_tower(normal):
    width, patches = VISION["hidden_size"], (VISION["image_size"] // VISION["patch_size"]) ** 2
    tower = {
        "embeddings.class_embedding": normal(width),
        "embeddings.patch_embedding.weight": normal(width, 3, VISION["patch_size"], VISION["patch_size"], std=0.05),
        "embeddings.position_embedding.weight": normal(patches + 1, width),
    }

    def linear(name, out, into):
        tower[f"{name}.weight"], tower[f"{name}.bias"] = normal(out, into), normal(out)

    def norm(name):
        tower[f"{name}.weight"], tower[f"{name}.bias"] = 1 + normal(width, std=0.1), normal(width, std=0.1)

    norm("pre_layrnorm")
    for layer in range(VISION["num_hidden_layers"]):
        name = f"encoder.layers.{layer}."
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(f"{name}self_attn.{part}", width, width)
        linear(f"{name}mlp.fc1", 2 * width, width)
        linear(f"{name}mlp.fc2", width, 2 * width)
        norm(f"{name}layer_norm1")
        norm(f"{name}layer_norm2")
    norm("post_layernorm")
    return tower


def cases():
    """Prompt ids, pixels and prior of each recorded case."""
    random = np.random.RandomState(1)
    for number in range(CASES):
        ids = [1, *random.randint(3, WORDS, 3 + number), IMAGE, *random.randint(3, WORDS, 5)]
        side = VISION["image_size"]
        yield [int(i) for i in ids], random.normal(0, 1, (3, side, side)), random.normal(0, 2, PRIOR)


def write_checkpoint(folder):
    """Write the synthetic checkpoint as EmoLA releases one: `base`, `clip` and the LoRA folder `llava-emola-lora`."""
    import torch
    from safetensors.torch import save_file

    def tensors(weights, dtype=torch.float32):
        return {name: torch.from_numpy(value).to(dtype).contiguous() for name, value in weights.items()}

    folder = Path(folder)
    base, lora, clip = (folder / name for name in ("base", "llava-emola-lora", "clip"))
    for each in (base, lora, clip):
        each.mkdir(parents=True)
    weights, tower, adapter, trained = synthetic_weights()
    llama = {
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava",
        "vocab_size": WORDS,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-6,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "use_mm_proj": True,
        "mm_vision_tower": "clip",
        "mm_hidden_size": VISION["hidden_size"],
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "image_aspect_ratio": "pad",
    }
    _json(base / "config.json", llama)
    torch.save(tensors(weights), base / "pytorch_model.bin")
    _write_tokenizer(base)
    _json(lora / "config.json", {**llama, "model_type": "emollava", "landmark_feature_hidden_size": PRIOR})
    settings = {"base_model_name_or_path": "base", "peft_type": "LORA", "task_type": "CAUSAL_LM", "bias": "none"}
    settings |= {"r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.05, "target_modules": list(PROJECTIONS)}
    _json(lora / "adapter_config.json", {**settings, "inference_mode": True})
    torch.save(tensors(adapter), lora / "adapter_model.bin")
    prior = {name: value for name, value in trained.items() if "landmark_feature_projector" in name}
    torch.save(tensors(prior), lora / "landmark_feature_projector.bin")
    torch.save(tensors(trained), lora / "non_lora_trainables.bin")
    vision = {"architectures": ["CLIPVisionModel"], "model_type": "clip_vision_model", "hidden_act": "quick_gelu"}
    _json(clip / "config.json", {**vision, **VISION, "intermediate_size": 2 * VISION["hidden_size"]})
    save_file(
        {f"vision_model.{name}": value for name, value in tensors(tower).items()},
        clip / "model.safetensors",
        metadata={"format": "pt"},
    )
    side = VISION["image_size"]
    sizes = {"crop_size": {"height": side, "width": side}, "size": {"shortest_edge": side}}
    _json(clip / "preprocessor_config.json", {"image_processor_type": "CLIPImageProcessor", **sizes})
    return lora, base


def _write_tokenizer(folder):
    """A Llama tokenizer; the recorded prompts are ids, so that its pieces do not matter."""
    from tests.train.conftest import tiny_tokenizer

    tiny_tokenizer(folder, legacy=True)


def _json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def synthetic_reference():
    """The reference with the synthetic checkpoint's weights."""
    base, tower, adapter, trained = synthetic_weights()
    weights = merged(base, adapter, trained, RANK, ALPHA)
    return Reference(
        weights, tower, heads=HEADS, vision_heads=VISION["num_attention_heads"], patch=VISION["patch_size"]
    )


if __name__ == "__main__":
    reference = synthetic_reference()
    answers = {}
    for number, case in enumerate(cases()):
        logits = reference.logits(*case).astype(np.float32)
        answers[f"logits{number}"], answers[f"length{number}"] = logits[-1], len(logits)
        answers[f"tokens{number}"] = np.array(reference.greedy(*case, NEW_TOKENS))
    np.savez_compressed(RECORDED, **answers)
