"""Clip -> what is said about it: the record that `llava-faba assess` writes and the demo shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.data.clips import INSTRUCTION
from llava_faba.errors import InputError
from llava_faba.evidence.motion import check_report
from llava_faba.host import compat
from llava_faba.model.checkpoint import load
from llava_faba.model.hub import config_of
from llava_faba.model.prompt import Prompt
from llava_faba.motion.clips import Clip
from llava_faba.motion.measures import Motion
from llava_faba.video.severity import interval_around

TINY = 50_000_000  # weights of a language model, below which its words mean nothing
TINY_NOTE = "by a tiny model, to try the program: its words and its severity mean nothing"
UNTRAINED_NOTE = "by a model whose severity path was never trained: its severity is random"


def motion_record(clip: Clip, motion: Motion) -> dict[str, Any]:
    """Return a clip's record without a model's part: severity, interval, report, evidence and model are None."""
    return {
        "clip": str(clip.path),
        "frames": clip.frames,
        "fps": round(clip.fps, 4),
        "valid_share": round(clip.valid_share, 4),
        "region_valid_share": {region: round(share, 4) for region, share in clip.region_valid_share.items()},
        "motion": motion.values,
        "severity": None,
        "interval": None,
        "report": None,
        "evidence": None,
        "model": None,
        "warnings": clip.warnings,
    }


class Assessor:
    """A loaded model that assesses clips."""

    def __init__(self, tokenizer: Any, model: Any, image_processor: Any, name: str = ""):
        self.tokenizer, self.model, self.image_processor, self.name = tokenizer, model, image_processor, name

    @classmethod
    def from_pretrained(
        cls, model_path: str | Path, model_base: str | Path | None = None, **loading: Any
    ) -> "Assessor":
        """Load a checkpoint of `llava_faba.video.train`; keywords as `llava_faba.load`."""
        return cls(*load_assessing(model_path, model_base, **loading), name=str(model_path))

    @property
    def notes(self) -> list[str]:
        """What a reader must know before believing this model."""
        language = sum(weight.numel() for weight in self.model.get_model().layers.parameters())
        notes = [TINY_NOTE] if language < TINY else []
        return notes + ([] if self.model.config.trained_steps else [UNTRAINED_NOTE])

    def see(self, clip: Clip) -> dict[str, np.ndarray]:
        """Make what the model sees of a clip, for which the clip is decoded once more; see `dataset.read_views`."""
        from llava_faba.video.dataset import read_views

        return read_views(clip, self.model.config)

    def assess(
        self, clip: Clip, motion: Motion, expression: str, *, question: str | None = None, max_new_tokens: int = 256
    ) -> dict[str, Any]:
        """Assess a clip in which `expression` was asked for; return its whole record. Greedy decoding."""
        views = self.see(clip)
        *_, record = self.stream(clip, motion, expression, views, question=question, max_new_tokens=max_new_tokens)
        return record

    def stream(
        self,
        clip: Clip,
        motion: Motion,
        expression: str,
        views: dict[str, np.ndarray],
        *,
        question: str | None = None,
        max_new_tokens: int = 256,
    ) -> Iterator[dict[str, Any]]:
        """Do `assess` in steps: yield the record with the severity, then as the report grows, at last with evidence.

        `views` are what `see` made of the clip, whose file is not needed any more.
        """
        import torch

        from llava_faba.inference.decoding import Prefix, stream_greedily
        from llava_faba.video.config import expression_index
        from llava_faba.video.dataset import prepare_pictures

        model, config = self.model, self.model.config
        index = expression_index(config, expression)
        pictures = prepare_pictures(views["pictures"], self.image_processor, config)[None]
        device = model.device
        asked = question or INSTRUCTION.format(expression=expression.replace("_", " "))
        prompt = Prompt(self.tokenizer)
        with torch.inference_mode():
            assessed, tokens = model.read_clips(
                pictures.to(device, model.dtype),
                torch.from_numpy(views["motion"])[None].to(device),
                torch.from_numpy(views["times"])[None].to(device),
                torch.tensor([index], device=device),
            )
            severity = float(model.get_model().severity_path.head.severity(assessed.outputs.float())[0])
            ids = torch.tensor([prompt.before_question], device=device)
            embedded = model.prepare_inputs_labels_for_multimodal(ids, None, None, None, None, tokens)[4]
            output = model.get_model()(inputs_embeds=embedded, use_cache=True)
        prefix = Prefix(output.past_key_values, embedded.shape[1], 1)
        record = {
            **motion_record(clip, motion),
            "severity": round(severity, 3),
            "interval": interval_around(severity, config.severity_residuals),
            "report": "",
            "model": {"path": self.name, "expression": expression, "question": asked, "notes": self.notes},
        }
        yield record
        new: list[int] = []
        end = self.tokenizer.eos_token_id
        for token in stream_greedily(model, prefix, prompt.question_ids(asked), end=end, max_new_tokens=max_new_tokens):
            new.append(token)
            report = self.tokenizer.decode(new, skip_special_tokens=True).strip()
            if report != record["report"]:
                record = {**record, "report": report}
                yield record
        yield {**record, "evidence": check_report(record["report"], motion.values)}


def load_assessing(
    model_path: str | Path, model_base: str | Path | None = None, **loading: Any
) -> tuple[Any, Any, Any]:
    """Load a checkpoint of `llava_faba.video.train`; return (tokenizer, model, image_processor).

    Keywords as `llava_faba.load`. Raises InputError for a model that was not trained on clips, or where a weight is
    missing.
    """
    compat.apply()
    from llava_faba.video.modeling import FeqaLlavaForCausalLM

    config = config_of(model_path, loading.get("revision"))
    if config and not config.get("motion_frames"):
        raise InputError(
            f"The model {model_path} was not trained on clips: its config.json has no motion_frames.",
            "Severity and report come from a model with a severity path.",
            "Train one with scripts/finetune_feqa_lora.sh; for faces in pictures there is `llava-faba describe`.",
        )
    return load(model_path, model_base, model_class=FeqaLlavaForCausalLM, **loading)[:3]
