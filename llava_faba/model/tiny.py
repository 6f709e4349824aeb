"""A tiny LLaVA, made from scratch in seconds, for tests and the quickstart: no weights need to be downloaded.

It has LLaVA's architecture and file layout (a Llama with a sentencepiece tokenizer, a CLIP folder beside it, a visual
projector) and random weights; its answers mean nothing until it is trained, and little after that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from llava_faba.files import write_json

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
FILE = "model.safetensors"
HEAD_STD = 0.2
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


@dataclass(frozen=True)
class TinySize:
    """Sizes of a tiny LLaVA; the vision tower sees `image_size` pixels in patches of `patch_size`."""

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    vocabulary: int = 512
    image_size: int = 112
    patch_size: int = 14
    vision_hidden: int = 32
    vision_layers: int = 3


def make_tiny_llava(
    folder: str | Path, texts: Iterable[str], *, size: TinySize | None = None, seed: int = 0, legacy: bool = False
) -> Path:
    """Write a tiny LLaVA into `folder`, its vision tower into `folder`/clip; return `folder`.

    `texts` are what the tokenizer is trained on. The same arguments give the same weights.
    """
    size = size or TinySize()
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _write_vision_tower(folder / "clip", size)
        n_tokens = _write_tokenizer(folder, texts, size.vocabulary, legacy)
        _write_model(folder, size, n_tokens)
    return folder


def _write_vision_tower(folder: Path, size: TinySize) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(
        hidden_size=size.vision_hidden,
        intermediate_size=2 * size.vision_hidden,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=size.heads,
        image_size=size.image_size,
        patch_size=size.patch_size,
    )
    CLIPVisionModel(config).save_pretrained(folder, safe_serialization=True)
    # transformers 5.8 dropped a level from the names; it reads the older ones, which 4.37 needs.
    weights = {f"vision_model.{name.removeprefix('vision_model.')}": t for name, t in load_file(folder / FILE).items()}
    save_file(weights, folder / FILE, metadata={"format": "pt"})
    preprocessor = {
        "image_processor_type": "CLIPImageProcessor",
        "crop_size": {"height": size.image_size, "width": size.image_size},
        "size": {"shortest_edge": size.image_size},
        "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD,
        "resample": 3,
    } | {f"do_{step}": True for step in ("center_crop", "convert_rgb", "normalize", "rescale", "resize")}
    write_json(folder / "preprocessor_config.json", preprocessor)


def _write_tokenizer(folder: Path, texts: Iterable[str], vocabulary: int, legacy: bool) -> int:
    """Train a sentencepiece model as Llama's: bytes for what is unknown, and one piece for "USER" and "ASSISTANT".

    `remove_extra_whitespaces` is off, as in Llama's own model: with it "ASSISTANT: " loses its space on transformers
    4.37.
    """
    import sentencepiece

    with open(folder / "tokenizer.model", "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=file,
            vocab_size=vocabulary,
            model_type="bpe",
            byte_fallback=True,
            hard_vocab_limit=False,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            split_digits=True,
            user_defined_symbols=["USER", "ASSISTANT"],
            minloglevel=2,
        )
    trained = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    config = SPECIAL_TOKENS | {
        "tokenizer_class": "LlamaTokenizer",
        "pad_token": None,
        "add_bos_token": True,
        "add_eos_token": False,
        "legacy": legacy,
        "model_max_length": 2048,
        "padding_side": "right",
        "sp_model_kwargs": {},
        "clean_up_tokenization_spaces": False,
    }
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", SPECIAL_TOKENS)
    return trained.vocab_size()


def _write_model(folder: Path, size: TinySize, n_tokens: int) -> None:
    from llava.model.language_model.llava_llama import LlavaConfig, LlavaLlamaForCausalLM

    config = LlavaConfig(
        vocab_size=n_tokens,
        hidden_size=size.hidden,
        intermediate_size=2 * size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=2048,
        pad_token_id=0,
        mm_vision_tower=str(folder / "clip"),
        mm_hidden_size=size.vision_hidden,
        mm_projector_type="mlp2x_gelu",
        mm_vision_select_layer=-2,
        mm_vision_select_feature="patch",
        mm_use_im_start_end=False,
        mm_use_im_patch_token=False,
        image_aspect_ratio="pad",
        use_mm_proj=True,
    )
    model = LlavaLlamaForCausalLM(config)
    # At transformers' 0.02 a narrow model's logits stay within a few units, and LoRA, which leaves the head as it is,
    # could never become sure of a word.
    torch.nn.init.normal_(model.lm_head.weight, std=HEAD_STD)
    model.save_pretrained(folder, safe_serialization=True)
    # transformers writes a generation_config without what LLaVA's own tools ask for; plain greedy defaults will do.
    write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0})
