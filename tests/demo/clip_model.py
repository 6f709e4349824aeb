"""A tiny model that assesses clips and has learned one report by heart, so that there are sentences to judge."""

import json
import shutil
from pathlib import Path

import torch

from tests.video.feqa import feqa_model

REPORT = "The corners of the mouth rise. The mouth hardly moves. The face looks happy."
RESIDUALS = [0.1 * n for n in range(1, 21)]
STEPS = 120


def make_clip_model(base: Path, folder: Path) -> Path:
    """Teach the tiny LLaVA of `base` its report on made-up clips; write the model into `folder`."""
    from llava.constants import IGNORE_INDEX

    from llava_faba.data.clips import INSTRUCTION
    from llava_faba.model.prompt import Prompt
    from llava_faba.model.tokenizer import load_tokenizer

    model = feqa_model(base)
    tokenizer = load_tokenizer(base)
    words = [*tokenizer(REPORT, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(STEPS):
        random = torch.Generator().manual_seed(step)
        expression = model.config.expressions[step % len(model.config.expressions)].replace("_", " ")
        prompt = Prompt(tokenizer)
        before, after = prompt.before_question, prompt.question_ids(INSTRUCTION.format(expression=expression))
        ids = torch.tensor([[*before, *after, *words]] * 2)
        labels = ids.clone()
        labels[:, : -len(words)] = IGNORE_INDEX
        optimiser.zero_grad()
        clips = {"motion": torch.randn(2, 8, 68, 3, generator=random), "motion_times": torch.arange(16.0).view(2, 8)}
        pictures = torch.randn(2, 2, 3, 112, 112, generator=random)
        asked = torch.randint(0, 5, (2,), generator=random)
        loss = model(
            input_ids=ids,
            labels=labels,
            attention_mask=torch.ones_like(ids),
            images=pictures,
            expressions=asked,
            severity=torch.tensor([1.0, 3.0]),
            **clips,
        ).loss
        loss.backward()
        optimiser.step()
    model.config.severity_residuals = RESIDUALS
    model.config.severity_steps = model.config.report_steps = STEPS
    model.save_pretrained(folder)
    shutil.copy(base / "tokenizer.model", folder)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(base / name, folder)
    assert json.loads((folder / "config.json").read_text())["motion_frames"]
    return folder
