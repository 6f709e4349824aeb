"""Tiny merged models that vLLM on a CPU can serve (heads of 32), and what describe says with them."""

from pathlib import Path
from typing import Any

import torch

from llava_faba.model.tiny import TinySize, make_tiny_llava
from llava_faba.model.tokenizer import copy_tokenizer
from tests.tiny import TEXTS, prior_model

LOUDER = 4  # times the usual spread of fresh weights: faces and priors then change the answers


def make_base(folder: Path) -> Path:
    """A tiny stock LLaVA that the others are made from."""
    return make_tiny_llava(folder, TEXTS, size=TinySize(hidden=128, heads=4))


def make_merged(base: Path, folder: Path, **fields: Any) -> Path:
    """Save a whole model with the prior dlib_68, or as `fields` say, random but loud; its tower is the base's."""
    generator = torch.Generator().manual_seed(1)
    size = fields.get("facial_prior_hidden_size", 136)
    fields = {
        "facial_prior_tower": "dlib_68",
        "facial_prior_hidden_size": size,
        "facial_prior_mean": torch.randn(size, generator=generator).tolist(),
        "facial_prior_std": (torch.rand(size, generator=generator) + 0.05).tolist(),  # small ones are cut at FARTHEST
        **fields,
    }
    model = prior_model(base, **fields)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "vision_tower" not in name and ("self_attn" in name or "projector" in name or "mlp" in name):
                weight.mul_(LOUDER)
            if name.endswith("projector.empty"):
                weight.normal_(generator=generator)
    weights = {name: weight for name, weight in model.state_dict().items() if "vision_tower" not in name}
    model.save_pretrained(folder, state_dict=weights, safe_serialization=True)
    copy_tokenizer(base, folder)
    return folder


def described(describer: Any, asks: list[dict[str, Any]], max_tokens: int = 32) -> list[dict[str, Any]]:
    """Describe's greedy tokens for each ask, with the log probability of each and how far the second likeliest is."""
    import numpy as np

    from llava_faba.inference.decoding import answer_greedily
    from llava_faba.inference.describer import open_picture

    said = []
    for ask in asks:
        prior = None if ask.get("prior") is None else [(np.asarray(ask["prior"], np.float32), True)]
        prefix = describer.prefill(describer.prepare_faces([open_picture(ask["picture"])], prior))
        logs, gaps = [], []

        def choose(logits: torch.Tensor, rows: Any, logs: list = logs, gaps: list = gaps) -> torch.Tensor:
            best = logits.float().log_softmax(-1).topk(2)
            logs.append(best.values[0, 0].item())
            gaps.append((best.values[0, 0] - best.values[0, 1]).item())
            return best.indices[:, 0]

        question = describer.prompt.question_ids(ask["question"])
        end = describer.tokenizer.eos_token_id
        (ids,) = answer_greedily(describer.model, prefix, [question], end=end, max_new_tokens=max_tokens, choose=choose)
        said.append({"ids": list(map(int, ids)), "logs": logs, "gaps": gaps})
    return said
