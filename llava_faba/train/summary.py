"""What a training run says: at its start what is trained and frozen, at its end what was written and what next."""

from collections import defaultdict
from pathlib import Path
from typing import Any

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

CLIPS = "severity.safetensors"  # is in the folder of a model that assesses clips


def print_start(model: Any) -> None:
    """Print each part of the model with its trained and frozen weights, and the prior."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, parameter in model.named_parameters():
        group = next(label for part, label in GROUPS if part in name)
        # Under ZeRO-3 a parameter holds a share of its numbers and knows how many there are.
        counts[group][not parameter.requires_grad] += getattr(parameter, "ds_numel", parameter.numel())
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
    command, on = ("assess CLIP.mp4", "--expression smile") if CLIPS in names else ("describe", "--image FACE.jpg")
    print(f"next: llava-faba {command} --model-path {output_dir}{onto} {on}", flush=True)
