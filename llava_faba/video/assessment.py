"""Clip -> what is said about it: the record that `llava-faba assess` writes and the demo shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llava_faba.data.clips import INSTRUCTION
from llava_faba.errors import InputError
from llava_faba.evidence.motion import check_report
from llava_faba.host import compat
from llava_faba.model.prompt import Prompt
from llava_faba.motion.clips import Clip
from llava_faba.motion.measures import Motion
from llava_faba.motion.record import motion_record, why_no_severity
from llava_faba.video.interval import interval_around

if TYPE_CHECKING:
    from llava_faba.video.tracks import Track

TINY = 50_000_000  # weights of a language model, below which its words mean nothing
TINY_NOTE = "by a tiny model, to try the program: its words and its severity mean nothing"
UNTRAINED_SEVERITY = "the severity path of this model was never trained: no severity is given"
UNTRAINED_REPORT = "the language of this model was never trained on clips: no report is given"


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
        notes += [] if self.model.config.severity_steps else [UNTRAINED_SEVERITY]
        return notes + ([] if self.model.config.report_steps else [UNTRAINED_REPORT])

    def see(self, clip: "Clip | Track", expression: str | None = None) -> dict[str, np.ndarray]:
        """Make what the model sees of a clip, for which the clip is decoded once more; see `views.read_views`."""
        from llava_faba.video.views import read_views

        return read_views(clip, self.model.config, expression)

    def assess(
        self,
        clip: "Clip | Track",
        motion: Motion | None,
        expression: str,
        *,
        question: str | None = None,
        max_new_tokens: int = 256,
    ) -> dict[str, Any]:
        """Assess a clip in which `expression` was asked for; return its whole record. Greedy decoding.

        What the model was not trained for is None: the severity of one that was trained on reports alone, and the
        report of one that was trained on severities alone.
        """
        views = self.see(clip, expression)
        seen = clip if isinstance(clip, Clip) else clip.clip
        *_, record = self.stream(seen, motion, expression, views, question=question, max_new_tokens=max_new_tokens)
        return record

    def stream(
        self,
        clip: Clip,
        motion: Motion | None,
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

        from llava_faba.inference.cache import faces_of
        from llava_faba.inference.decoding import Prefix
        from llava_faba.video.config import expression_index
        from llava_faba.video.dataset import prepare_pictures
        from llava_faba.video.reports import ask_for_sections

        model, config = self.model, self.model.config
        index = expression_index(config, expression)
        pictures = prepare_pictures(views["pictures"], self.image_processor, config)[None]
        device = model.device
        asked = question or INSTRUCTION.format(expression=expression.replace("_", " "))
        if config.report_mode == "sections":
            asked = ask_for_sections(asked, expression)
        prompt = Prompt(self.tokenizer)
        with torch.inference_mode():
            # 1. The severity, and the clip's tokens.
            assessed, tokens = model.read_clips(
                pictures.to(device, model.dtype),
                torch.from_numpy(views["motion"])[None].to(device),
                torch.from_numpy(views["times"])[None].to(device),
                torch.tensor([index], device=device),
            )
            head = model.get_model().severity_path.head
            severity, unbounded = (float(read(assessed.outputs)[0]) for read in (head.severity, head.unbounded))
            # 2. What stands before the question, once.
            ids = torch.tensor([prompt.before_question], device=device)
            embedded = model.prepare_inputs_labels_for_multimodal(ids, None, None, None, None, tokens)[4]
            output = model.get_model()(inputs_embeds=embedded, use_cache=True)
        prefix = Prefix(faces_of(output.past_key_values), embedded.shape[1])
        record = {
            **motion_record(clip, motion),
            "model": {"path": self.name, "expression": expression, "question": asked, "notes": self.notes},
        }
        if unseen := why_no_severity(clip, expression):
            record["model"]["notes"] = [*record["model"]["notes"], unseen]
        elif config.severity_steps:
            interval = interval_around(unbounded, config.severity_residuals, config.severity_patients)
            record |= {"severity": round(severity, 3), "interval": interval}
        if not config.report_steps:
            yield record
            return
        # 3. The report, token by token.
        record["report"] = ""
        yield record
        for report in self._write(prefix, prompt, asked, expression, max_new_tokens):
            if report != record["report"]:
                record = {**record, "report": report}
                yield record
        yield {**record, "evidence": check_report(record["report"], record["motion"])}

    def _write(self, prefix: Any, prompt: Prompt, asked: str, expression: str, max_new_tokens: int) -> Iterator[str]:
        """Yield the report as it grows; in sections the headings are given and the model fills in each line."""
        from llava_faba.video.reports import sections_of

        if self.model.config.report_mode != "sections":
            yield from self._answer(prefix, prompt.question_ids(asked), max_new_tokens)
            return
        done = ""
        headings = sections_of(expression)
        for number, heading in enumerate(headings):
            begun = f"{done}{heading}:"
            before, answer = prompt.answer_ids(asked, begun)
            line = ""
            for text in self._answer(prefix, [*before, *answer], max(1, max_new_tokens // len(headings))):
                line = text.split("\n")[0]
                yield f"{begun} {line}".strip()
                if "\n" in text:
                    break
            done = f"{begun} {line}".strip() + ("\n" if number < len(headings) - 1 else "")

    def _answer(self, prefix: Any, question: list[int], max_new_tokens: int) -> Iterator[str]:
        """Yield the answer's text after each token."""
        from llava_faba.inference.decoding import stream_greedily

        new: list[int] = []
        end = self.tokenizer.eos_token_id
        for token in stream_greedily(self.model, prefix, question, end=end, max_new_tokens=max_new_tokens):
            new.append(token)
            yield self.tokenizer.decode(new, skip_special_tokens=True).strip(" ")


def load_assessing(
    model_path: str | Path, model_base: str | Path | None = None, **loading: Any
) -> tuple[Any, Any, Any]:
    """Load a checkpoint of `llava_faba.video.train`; return (tokenizer, model, image_processor).

    Keywords as `llava_faba.load`. Raises InputError for a model that was not trained on clips, or where a weight is
    missing.
    """
    compat.apply(training=True)
    from llava_faba.model.checkpoint import load
    from llava_faba.model.hub import config_of
    from llava_faba.video.modeling import FeqaLlavaForCausalLM

    config = config_of(model_path, loading.get("revision"))
    if config and not config.get("motion_frames"):
        raise InputError(
            f"The model {model_path} was not trained on clips: its config.json has no motion_frames.",
            "Severity and report come from a model with a severity path.",
            "Train one with scripts/finetune_feqa_lora.sh; for faces in pictures there is `llava-faba describe`.",
        )
    return load(model_path, model_base, model_class=FeqaLlavaForCausalLM, **loading)[:3]
