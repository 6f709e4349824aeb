"""Annotated clips -> batches: LLaVA's supervised items with pictures, trajectory, expression and rated severity.

Following a face through a clip costs seconds, so what it gave is cached: one .npz a clip, recognised by the clip's
file and by what the model wants of it.
"""

import hashlib
import io
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

from llava_faba.data.clips import INSTRUCTION, ClipSample, read_samples
from llava_faba.errors import InputError
from llava_faba.files import write_atomically
from llava_faba.motion.clips import BadClip, Clip, crop_frames, read_clip
from llava_faba.motion.trajectory import make_trajectory, picture_indices
from llava_faba.train import masks
from llava_faba.video.config import expression_index

CACHE_VERSION = 1  # raise it when tracking or normalisation changes
KEYS = ("motion", "motion_times", "expressions", "severity")


def read_views(clip: Clip, config: Any) -> dict[str, np.ndarray]:
    """Make what a model of this configuration sees of a clip: motion (F, V, C), times (F,), pictures (Fv, 256, 256, 3).

    Pictures are taken where the face is seen, nearest to the wanted moments.
    """
    trajectory = make_trajectory(clip, config.motion_frames, config.motion_normalisation, config.motion_sampling)
    wanted = picture_indices(clip.times, config.picture_frames, config.motion_sampling)
    seen = np.flatnonzero(clip.valid)
    nearest = seen[np.abs(seen[None, :] - wanted[:, None]).argmin(axis=1)]
    return {"motion": trajectory.motion, "times": trajectory.times, "pictures": crop_frames(clip, nearest)}


def prepare_pictures(pictures: np.ndarray, processor: Any, settings: Any) -> Tensor:
    """Turn crops (Fv, side, side, 3) into what the vision tower takes, (Fv, 3, height, width)."""
    images = process_images([Image.fromarray(picture) for picture in pictures], processor, settings)
    return images if isinstance(images, Tensor) else torch.stack(list(images))


class ClipDataset(torch.utils.data.Dataset):
    """Clips of one or several annotation files; `bind` tells it what the model sees of a clip."""

    def __init__(self, files: Sequence[str], tokenizer: Any, data_args: Any):
        self.tokenizer, self.data_args = tokenizer, data_args
        self.samples = [sample for file in files for sample in read_samples(file, data_args.image_folder)]
        self.config: Any = None

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
        if config.feqa_objective != "severity" and (mute := [s.id for s in kept if not s.conversations]):
            raise InputError(
                f"{len(mute)} clips have no report ({', '.join(mute[:5])}), and feqa_objective is "
                f"{config.feqa_objective}.",
                "Language is trained on `conversations`; the severity alone needs none.",
                "Give --feqa_objective severity, or write reports: `llava-faba draft-reports` drafts them.",
            )
        self.samples = kept

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def modality_lengths(self) -> list[int]:
        return [sum(len(turn["value"].split()) for turn in sample.conversations) for sample in self.samples]

    lengths = modality_lengths

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample = self.samples[index]
        views = self._views(sample)
        turns = sample.conversations or [
            {"from": "human", "value": "<image>\n" + INSTRUCTION.format(expression=sample.expression)},
            {"from": "gpt", "value": "-"},
        ]
        turns = [dict(turn) for turn in turns]
        if "<image>" not in turns[0]["value"]:
            turns[0]["value"] = "<image>\n" + turns[0]["value"]
        ids, labels = masks.encode(preprocess_multimodal([turns], self.data_args)[0], self.tokenizer, sample.id)
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

    def _views(self, sample: ClipSample) -> dict[str, np.ndarray]:
        file = self._cache_file(sample)
        if file.is_file():
            with np.load(file, allow_pickle=False) as stored:
                return dict(stored)
        views = read_views(read_clip(sample.path), self.config)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **views)
        write_atomically(file, buffer.getvalue())
        return views

    def _cache_file(self, sample: ClipSample) -> Path:
        """The file's name says what it was made from: the clip as it is on disk, and the fields that shape it."""
        fields = ("motion_frames", "motion_points", "motion_normalisation", "motion_sampling", "picture_frames")
        content = sorted(sample.path.iterdir()) if sample.path.is_dir() else [sample.path]
        stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in content if path.exists()]
        key = json.dumps([CACHE_VERSION, [getattr(self.config, name) for name in fields], str(sample.path), stamps])
        folder = Path(self.data_args.trajectory_cache or Path(self.data_args.image_folder) / ".trajectories")
        return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"


class ClipCollator(DataCollatorForSupervisedDataset):
    """LLaVA's collator, which carries trajectories, expressions and ratings along."""

    def __call__(self, instances: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        batch = super().__call__(instances)
        return {**batch, **{key: torch.stack([instance[key] for instance in instances]) for key in KEYS}}
