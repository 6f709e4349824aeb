"""A tiny LLaVA with random weights and a facial prior: its answers depend on every pixel and mean nothing."""

from pathlib import Path
from typing import Any

HIDDEN = 128
LOUDER = 5  # times the usual spread of fresh weights


def tiny_describer(folder: str | Path) -> Any:
    """Make a tiny LLaVA with the facial prior dlib_68 in `folder`, and load it."""
    import torch

    from llava_faba.data.prompts import EMOTION_INSTRUCTIONS, QUESTIONS
    from llava_faba.host import compat
    from llava_faba.inference.describer import Describer
    from llava_faba.model.checkpoint import load
    from llava_faba.model.tiny import TinySize, make_tiny_llava
    from llava_faba.vocabulary import AU_NAMES, EMOTIONS

    compat.apply()
    answers = [f"The face shows {emotion.lower()}. " for emotion in EMOTIONS]
    answers += [f"AU{number}, the {name}, is present. " for number, name in AU_NAMES.items()]
    texts = [f"USER: {question} ASSISTANT: {' '.join(answers)}" for question in (*QUESTIONS.values(), "Why?")]
    texts = (texts + list(EMOTION_INSTRUCTIONS)) * 4
    path = make_tiny_llava(folder, texts, size=TinySize(hidden=HIDDEN, heads=4, vocabulary=700))
    tokenizer, model, processor, _ = load(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = model.config
        config.facial_prior_tower, config.facial_prior_hidden_size = "dlib_68", 136
        config.facial_prior_dropout = 0.1  # with a learned empty prior, so that the prior can be left out
        model.get_model().build_facial_prior()
        with torch.no_grad():  # louder than at the start of training, so that faces get different answers
            for name, parameter in model.named_parameters():
                if "self_attn" in name or "projector" in name or ("mlp" in name and "vision_tower" not in name):
                    parameter.mul_(LOUDER)
    return Describer(tokenizer, model.eval(), processor)
