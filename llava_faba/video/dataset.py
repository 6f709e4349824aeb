"""Annotated clips -> batches: LLaVA's supervised items with pictures, trajectory, expression and rated severity.

What a model sees of a clip is cached: one .npz a clip, recognised by the clip's file and by the fields that shape it.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llava.constants import IGNORE_INDEX
from llava.mm_utils import process_images
from llava.train.train import DataCollatorForSupervisedDataset, preprocess_multimodal
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from llava_faba.data.clips import INSTRUCTION, ClipSample, read_samples, with_released
from llava_faba.errors import InputError
from llava_faba.motion.clips import BadClip
from llava_faba.train import masks
from llava_faba.video.config import expression_index
from llava_faba.video.reports import arrange, ask_for_sections
from llava_faba.video.tracks import keep_views, read_track, track_key
from llava_faba.video.views import read_views

KEYS = ("motion", "motion_times", "expressions", "severity")
SHAPING = ("motion_frames", "motion_frames_at_rest", "motion_points", "motion_model", "motion_colour")
SHAPING += ("motion_normalisation", "motion_sampling", "picture_frames")


def prepare_pictures(pictures: np.ndarray, processor: Any, settings: Any) -> Tensor:
    """Turn crops (Fv, side, side, 3) into what the vision tower takes, (Fv, 3, height, width)."""
    images = process_images([Image.fromarray(picture) for picture in pictures], processor, settings)
    return images if isinstance(images, Tensor) else torch.stack(list(images))


class ClipDataset(torch.utils.data.Dataset):
    """Clips of one or several annotation files; `bind` hands over what the model sees of a clip.

    >>> clips = ClipDataset(["train.json"], tokenizer, data_args)
    >>> clips.bind(model.config)
    >>> clips[0]["motion"].shape  # (F, V, C)
    """

    def __init__(self, files: Sequence[str], tokenizer: Any, data_args: Any):
        self.tokenizer, self.data_args = tokenizer, data_args
        released = data_args.trajectory_folder, data_args.colour_folder
        read = [sample for file in files for sample in read_samples(file, data_args.image_folder)]
        self.samples = [with_released(sample, *released) for sample in read]
        self.config: Any = None
        self.augmentation: tuple[int, int] | None = None  # (seed, epoch); None: every item is always the same

    def bind(self, config: Any) -> None:
        """Read every clip that is not cached yet; a clip that cannot be used is listed and left out."""
        self.config = config
        left_out, kept = [], []
        for sample in tqdm(self.samples, unit="clip", desc="trajectories", disable=not sys.stderr.isatty()):
            expression_index(config, sample.expression)
            try:
                self._views(sample)
                kept.append(sample)
            except BadClip as error:
                left_out.append(f"{sample.id}: {error}")
        if left_out:
            print(f"{len(left_out)} clips left out:\n" + "\n".join(left_out[:20]), file=sys.stderr)
        if not kept:
            raise InputError(
                "No clip of the data can be used.", "At least one must show a face.", "See the reasons above."
            )
        self.samples = kept

    def require_reports(self) -> None:
        """Raise InputError where a clip has no report to train the language on."""
        if mute := [sample.id for sample in self.samples if not sample.conversations]:
            raise InputError(
                f"{len(mute)} clips have no report ({', '.join(mute[:5])}), and feqa_objective is "
                f"{self.config.feqa_objective}.",
                "Language is trained on `conversations`; the severity alone needs none.",
                "Give --feqa_objective severity, or write reports: `llava-faba draft-reports` drafts them.",
            )

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def modality_lengths(self) -> list[int]:
        return [sum(len(turn["value"].split()) for turn in sample.conversations) for sample in self.samples]

    lengths = modality_lengths

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample = self.samples[index]
        views = self._views(sample) if self.augmentation is None else self._augmented(sample, index)
        ids, labels = masks.encode(
            preprocess_multimodal([self._turns(sample)], self.data_args)[0], self.tokenizer, sample.id
        )
        if not sample.conversations:
            labels[:] = IGNORE_INDEX
        return {
            "input_ids": ids,
            "labels": labels,
            "image": prepare_pictures(views["pictures"], self.data_args.image_processor, self.data_args),
            "motion": torch.from_numpy(views["motion"]),
            "motion_times": torch.from_numpy(views["times"]),
            "expressions": torch.tensor(expression_index(self.config, sample.expression)),
            "severity": torch.tensor(float("nan") if sample.severity is None else sample.severity),
        }

    def _turns(self, sample: ClipSample) -> list[dict[str, str]]:
        """The conversation that is trained on, in sections where the model writes these."""
        turns = [dict(turn) for turn in sample.conversations] or [
            {"from": "human", "value": INSTRUCTION.format(expression=sample.expression)},
            {"from": "gpt", "value": "-"},
        ]
        if self.config.report_mode == "sections":
            turns = turns[:2]
            turns[0]["value"] = ask_for_sections(turns[0]["value"], sample.expression)
            turns[1]["value"] = arrange(turns[1]["value"], sample.expression)
        if "<image>" not in turns[0]["value"]:
            turns[0]["value"] = "<image>\n" + turns[0]["value"]
        return turns

    @property
    def _cache(self) -> Path:
        return Path(self.data_args.trajectory_cache or Path(self.data_args.image_folder) / ".trajectories")

    def _views(self, sample: ClipSample) -> dict[str, np.ndarray]:
        at_rest = sample.expression if self.config.motion_frames_at_rest else None
        wanted = json.dumps([[getattr(self.config, name) for name in SHAPING], at_rest])
        name = hashlib.sha256(wanted.encode()).hexdigest()[:12]
        file = self._cache / f"{track_key(sample)}.{name}.npz"
        if file.is_file():
            with np.load(file, allow_pickle=False) as stored:
                return dict(stored)
        views = read_views(read_track(sample, self._cache), self.config, sample.expression)
        keep_views(file, views)
        return views

    def _augmented(self, sample: ClipSample, index: int) -> dict[str, np.ndarray]:
        """Other random choices in every epoch, the same in a run that is resumed in it; the clip is decoded again."""
        assert self.augmentation is not None
        rng = np.random.default_rng([*self.augmentation, index])
        return read_views(read_track(sample, self._cache), self.config, sample.expression, rng)


class ClipCollator(DataCollatorForSupervisedDataset):
    """LLaVA's collator, which carries trajectories, expressions and ratings along."""

    def __call__(self, instances: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        batch = super().__call__(instances)
        return {**batch, **{key: torch.stack([instance[key] for instance in instances]) for key in KEYS}}
