"""Checkpoint -> a model that assesses clips: what training wrote, a LoRA adapter or a whole model."""

from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import existing_file, read_json
from llava_faba.host import compat
from llava_faba.model.adapter import load_projectors, merge_adapter
from llava_faba.model.checkpoint import named_base
from llava_faba.model.tokenizer import load_tokenizer

TRAINABLES = "non_lora_trainables.bin"


def load_assessing(
    model_path: str | Path, model_base: str | Path | None = None, *, device: str = "cpu", dtype: str = "float32"
) -> tuple[Any, Any, Any]:
    """Load a checkpoint of `llava_faba.video.train`; return (tokenizer, model, image_processor).

    Raises InputError for a model that was not trained on clips, or where a weight is missing.
    """
    import torch

    compat.apply()
    from llava_faba.video.config import FeqaLlavaConfig
    from llava_faba.video.modeling import FeqaLlavaForCausalLM
    from llava_faba.video.trainer import SEVERITY_FILE, load_clip_modules

    folder = Path(model_path).expanduser()
    if not (folder / "config.json").is_file():
        raise MissingFileError(
            f"The model {folder} is no model folder: there is no config.json in it.",
            "It is the folder that scripts/finetune_feqa_lora.sh wrote.",
            "Check the path.",
        )
    stored = read_json(folder / "config.json", "config")
    if not stored.get("motion_frames"):
        raise InputError(
            f"The model {folder} was not trained on clips: its config.json has no motion_frames.",
            "Severity and report come from a model with a severity path.",
            "Train one with scripts/finetune_feqa_lora.sh; for faces in pictures there is `llava-faba describe`.",
        )
    config = FeqaLlavaConfig.from_pretrained(folder)
    keywords = {"torch_dtype": getattr(torch, dtype)}
    if (folder / "adapter_config.json").is_file():
        base = Path(model_base or named_base(folder)).expanduser()
        frames, config.motion_frames = config.motion_frames, None
        model = FeqaLlavaForCausalLM.from_pretrained(base, config=config, **keywords)
        model.config.motion_frames = frames
        model.get_model().build_severity_path()
        load_projectors(model, existing_file(folder / TRAINABLES, "file of projections").parent, prior_in_base=True)
        load_clip_modules(model, folder / SEVERITY_FILE)
        model = merge_adapter(model, folder)
    else:
        base = folder
        model = FeqaLlavaForCausalLM.from_pretrained(folder, config=config, **keywords)
    tower = model.get_vision_tower()
    if not tower.is_loaded:
        tower.load_model()
    model.to(device)
    tower.to(device=device, dtype=model.dtype)
    return load_tokenizer(base), model.eval(), tower.image_processor
