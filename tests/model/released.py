"""Small checkpoints laid out as the releases are: file by file, with their names, fields, types and shards.

Layouts are those of https://huggingface.co/liuhaotian (llava-v1.5-7b, -lora, the pretrained projectors), of
https://huggingface.co/lmsys/vicuna-7b-v1.5, of https://huggingface.co/llava-hf/llava-1.5-7b-hf and of what
https://github.com/JackYFL/EmoLA saves.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

LLAVA_FIELDS = {  # of liuhaotian/llava-v1.5-7b/config.json, beside what describes the Llama
    "_name_or_path": "llava-v1.5-7b",
    "architectures": ["LlavaLlamaForCausalLM"],
    "freeze_mm_mlp_adapter": False,
    "freeze_mm_vision_resampler": False,
    "image_aspect_ratio": "pad",
    "image_grid_pinpoints": None,
    "max_length": 4096,
    "mm_projector_type": "mlp2x_gelu",
    "mm_resampler_type": None,
    "mm_use_im_patch_token": False,
    "mm_use_im_start_end": False,
    "mm_vision_select_feature": "patch",
    "mm_vision_select_layer": -2,
    "model_type": "llava",
    "pad_token_id": 0,
    "pretraining_tp": 1,
    "rope_scaling": None,
    "torch_dtype": "float16",
    "transformers_version": "4.31.0",
    "tune_mm_mlp_adapter": False,
    "tune_mm_vision_resampler": False,
    "unfreeze_mm_vision_tower": False,
    "use_cache": True,
    "use_mm_proj": True,
}
VICUNA_GENERATION = {
    "bos_token_id": 1,
    "eos_token_id": 2,
    "max_length": 4096,
    "pad_token_id": 0,
    "temperature": 0.9,
    "top_p": 0.6,
    "transformers_version": "4.31.0",
}
LLAMA_KEYS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "max_position_embeddings", "hidden_act", "rms_norm_eps", "initializer_range"),
    *("bos_token_id", "eos_token_id", "tie_word_embeddings"),
)
PRIOR_SIZE = 212  # EmoLA's
TOKENIZER = ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json")


class Released:
    """A tiny LLaVA's weights in float16, and the folders that hold them as the releases would.

    >>> Released(tiny_llava, tmp_path).llava()  # doctest: +SKIP
    PosixPath('.../llava-v1.5-7b')
    """

    def __init__(self, tiny: Path, root: Path):
        self.tiny, self.root = tiny, root
        self.weights = {name: w.half() for name, w in load_file(tiny / "model.safetensors").items()}
        made = json.loads((tiny / "config.json").read_text())
        self.llama = {key: made[key] for key in LLAMA_KEYS if key in made}
        self.vision = {"mm_vision_tower": made["mm_vision_tower"], "mm_hidden_size": made["mm_hidden_size"]}
        generator = torch.Generator().manual_seed(7)
        width = self.llama["hidden_size"]
        shapes = {"0.weight": (width, PRIOR_SIZE), "0.bias": (width,), "2.weight": (width, width), "2.bias": (width,)}
        self.prior = {name: torch.randn(shape, generator=generator).half() * 0.1 for name, shape in shapes.items()}

    @property
    def language(self) -> dict:
        """The weights of the Llama alone."""
        return {name: w for name, w in self.weights.items() if "mm_projector" not in name}

    @property
    def projector(self) -> dict:
        return {name: w for name, w in self.weights.items() if "mm_projector" in name}

    def llava(self, name: str = "llava-v1.5-7b", style: str = "bin") -> Path:
        """liuhaotian/llava-v1.5-7b: shards in .bin with an index, and mm_projector.bin beside them."""
        folder = self._folder(name, LLAVA_FIELDS)
        self._write(folder, self.weights, style)
        torch.save(self.projector, folder / "mm_projector.bin")
        return folder

    def finetuned(self, name: str = "llava-v1.5-7b-faba") -> Path:
        """What LLaVA's finetune.sh leaves: the vision tower is among the weights too (LLaVA issue 852)."""
        folder = self._folder(name, LLAVA_FIELDS)
        clip = load_file(self.tiny / "clip" / "model.safetensors")
        tower = {f"model.vision_tower.vision_tower.{key}": w.half() for key, w in clip.items()}
        self._write(folder, {**self.weights, **tower}, "bin")
        return folder

    def vicuna(self, name: str = "vicuna-7b-v1.5") -> Path:
        """lmsys/vicuna-7b-v1.5: a Llama whose generation_config samples nothing at temperature 0.9."""
        fields = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "float16"}
        folder = self._folder(name, {**fields, "pad_token_id": 0, "transformers_version": "4.31.0"}, vision=False)
        (folder / "generation_config.json").write_text(json.dumps(VICUNA_GENERATION))
        frequencies = {
            f"model.layers.{n}.self_attn.rotary_emb.inv_freq": torch.ones(8)
            for n in range(self.llama["num_hidden_layers"])
        }
        self._write(folder, {**self.language, **frequencies}, "bin")
        return folder

    def pretrained_projector(self, name: str = "llava-v1.5-mlp2x-336px-pretrain-vicuna-7b-v1.5") -> Path:
        """Stage 1: mm_projector.bin and a config.json, nothing else."""
        folder = self._folder(name, {**LLAVA_FIELDS, "tune_mm_mlp_adapter": True}, tokenizer=False)
        (folder / "generation_config.json").unlink()
        torch.save(self.projector, folder / "mm_projector.bin")
        return folder

    def lora(self, name: str = "llava-v1.5-7b-lora", base: str = "lmsys/vicuna-7b-v1.5", emola: bool = False) -> Path:
        """liuhaotian/llava-v1.5-7b-lora: the adapter, config.json and non_lora_trainables.bin; EmoLA's likewise."""
        fields = {**LLAVA_FIELDS, "model_type": "emollava", **self._prior_fields()} if emola else LLAVA_FIELDS
        folder = self._folder(name, fields, tokenizer=False)
        (folder / "generation_config.json").unlink()
        adapter = {
            **{"auto_mapping": None, "base_model_name_or_path": base, "bias": "none", "fan_in_fan_out": False},
            **{"inference_mode": True, "init_lora_weights": True, "layers_pattern": None, "modules_to_save": None},
            **{"layers_to_transform": None, "lora_alpha": 8, "lora_dropout": 0.05, "peft_type": "LORA", "r": 4},
            **{"revision": None, "target_modules": ["q_proj", "down_proj"], "task_type": "CAUSAL_LM"},
        }
        (folder / "adapter_config.json").write_text(json.dumps(adapter))
        torch.save(self.adapter(), folder / "adapter_model.bin")
        others = dict(self.projector)
        if emola:
            named = {f"model.landmark_feature_projector.{key}": w for key, w in self.prior.items()}
            torch.save(named, folder / "landmark_feature_projector.bin")
            others |= named
        torch.save({f"base_model.model.{key}": w for key, w in others.items()}, folder / "non_lora_trainables.bin")
        return folder

    def adapter(self) -> dict:
        """The adapter's matrices, by peft's names."""
        generator, matrices = torch.Generator().manual_seed(5), {}
        for name, weight in self.language.items():
            if name.endswith(("q_proj.weight", "down_proj.weight")):
                rows, columns = weight.shape
                stem = f"base_model.model.{name.removesuffix('.weight')}"
                matrices[f"{stem}.lora_A.weight"] = torch.randn(4, columns, generator=generator).half() * 0.1
                matrices[f"{stem}.lora_B.weight"] = torch.randn(rows, 4, generator=generator).half() * 0.1
        return matrices

    def adapted(self) -> dict:
        """The Llama's weights in float32 with the adapter added, by the formula: W + alpha / r * B A."""
        weights, matrices = {name: w.float() for name, w in self.weights.items()}, self.adapter()
        for name in matrices:
            if name.endswith("lora_A.weight"):
                stem = name.removesuffix(".lora_A.weight")
                change = matrices[f"{stem}.lora_B.weight"].float() @ matrices[name].float()
                weights[f"{stem.removeprefix('base_model.model.')}.weight"] += 2 * change
        return weights

    def emola(self, name: str = "EmoLA-7b", style: str = "bin") -> Path:
        """A whole model of EmoLA's released code: the prior's projector among the weights, under its own name."""
        folder = self._folder(name, {**LLAVA_FIELDS, "model_type": "emollava", **self._prior_fields()})
        named = {f"model.landmark_feature_projector.{key}": w for key, w in self.prior.items()}
        self._write(folder, {**self.weights, **named}, style)
        return folder

    def llava_hf(self, name: str = "llava-1.5-7b-hf") -> Path:
        """transformers' own LLaVA: also `model_type: llava`, and other names of weights."""
        folder = self._folder(name, {"model_type": "llava", "text_config": {"model_type": "llama"}}, vision=False)
        config = {"model_type": "llava", "architectures": ["LlavaForConditionalGeneration"]}
        config |= {"text_config": {**self.llama, "model_type": "llama"}, "vision_config": {"hidden_size": 32}}
        (folder / "config.json").write_text(json.dumps(config))
        self._write(folder, {f"language_model.{key}": w for key, w in self.weights.items()}, "safetensors")
        return folder

    def any_resolution(self, name: str = "llava-v1.6-vicuna-7b") -> Path:
        """LLaVA 1.6, which looks at a picture in tiles."""
        tiles = {"image_aspect_ratio": "anyres", "mm_patch_merge_type": "spatial_unpad"}
        pinpoints = {"image_grid_pinpoints": [[336, 672], [672, 336]]}
        folder = self._folder(name, {**LLAVA_FIELDS, **tiles, **pinpoints})
        self._write(folder, {**self.weights, "model.image_newline": torch.ones(self.llama["hidden_size"])}, "shards")
        return folder

    def other(self, model_type: str, name: str) -> Path:
        """A LLaVA on another language model: llava_mistral, llava_mpt."""
        folder = self._folder(name, {**LLAVA_FIELDS, "model_type": model_type})
        self._write(folder, self.weights, "shards")
        return folder

    def in_cache(self, cache: Path, name: str, folder: Path, commit: str = "0123456789abcdef" * 2 + "01234567") -> Path:
        """Put a folder into a cache of the hub, as huggingface_hub lays it out, at its branch main."""
        repository = cache / f"models--{name.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(commit)
        shutil.copytree(folder, repository / "snapshots" / commit)
        return repository / "snapshots" / commit

    def _prior_fields(self) -> dict:
        return {"landmark_feature_hidden_size": PRIOR_SIZE}

    def _folder(self, name: str, fields: dict, *, vision: bool = True, tokenizer: bool = True) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True)
        config = {**self.llama, **(self.vision if vision else {}), **fields}
        (folder / "config.json").write_text(json.dumps(config, indent=2))
        generation = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "transformers_version": "4.31.0"}
        (folder / "generation_config.json").write_text(json.dumps(generation))
        for file in TOKENIZER if tokenizer else ():
            shutil.copy(self.tiny / file, folder)
        return folder

    def _write(self, folder: Path, weights: dict, style: str) -> None:
        """Write weights as "bin" or "shards" (two files and an index, .bin or safetensors), or one "safetensors"."""
        if style == "safetensors":
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
            return
        stem, end = ("pytorch_model", "bin") if style == "bin" else ("model", "safetensors")
        names = sorted(weights)
        halves, placed = (names[: len(names) // 2], names[len(names) // 2 :]), {}
        for number, chosen in enumerate(halves, 1):
            file = f"{stem}-0000{number}-of-00002.{end}"
            part = {name: weights[name] for name in chosen}
            if style == "bin":
                torch.save(part, folder / file)
            else:
                save_file(part, folder / file, metadata={"format": "pt"})
            placed |= dict.fromkeys(chosen, file)
        size = sum(w.numel() * w.element_size() for w in weights.values())
        index = {"metadata": {"total_size": size}, "weight_map": placed}
        (folder / f"{stem}.{end}.index.json").write_text(json.dumps(index))
