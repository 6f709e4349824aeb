"""A tiny LLaVA with a severity path, and a batch of made-up clips."""

from pathlib import Path

import torch

CLIP_FIELDS = {"motion_frames": 8, "motion_width": 16, "motion_depth": 1, "motion_heads": 4, "picture_frames": 2}
CLIP_FIELDS |= {"visual_token_budget": 8, "motion_colour": False}


def feqa_model(folder: Path, seed: int = 0, **fields):
    """The tiny LLaVA in `folder` with a fresh severity path, in float32."""
    from llava_faba.host import compat

    compat.apply(training=True)
    from llava_faba.video.modeling import FeqaLlavaForCausalLM

    model = FeqaLlavaForCausalLM.from_pretrained(folder)
    for name, value in {**CLIP_FIELDS, **fields}.items():
        setattr(model.config, name, value)
    torch.manual_seed(seed)
    model.get_model().build_severity_path()
    model.get_vision_tower().load_model()
    return model


def a_batch(seed: int = 0, clips: int = 4) -> dict:
    """Clips with a prompt `<s> <image> words`, of which the last words are trained on."""
    from llava.constants import IGNORE_INDEX, IMAGE_TOKEN_INDEX

    random = torch.Generator().manual_seed(seed)
    ids = torch.randint(10, 200, (clips, 12), generator=random)
    ids[:, 0], ids[:, 1] = 1, IMAGE_TOKEN_INDEX
    labels = ids.clone()
    labels[:, :6] = IGNORE_INDEX
    return {
        "input_ids": ids,
        "labels": labels,
        "attention_mask": torch.ones_like(ids).bool(),
        "images": torch.randn(clips, 2, 3, 112, 112, generator=random),
        "motion": torch.randn(clips, 8, 68, 3, generator=random),
        "motion_times": torch.rand(clips, 8, generator=random).cumsum(1),
        "expressions": torch.randint(0, 5, (clips,), generator=random),
        "severity": torch.randint(0, 5, (clips,), generator=random).float(),
    }
