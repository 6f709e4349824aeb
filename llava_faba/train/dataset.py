"""Annotations -> batches: LLaVA's supervised data set with exact label masks, several data files, and facial priors.

`make_supervised_data_module` stands in for LLaVA's, with its signature and its dict. Without a prior the samples are
LLaVA's own (input_ids, labels, image); once a trainer has called `bind_prior` they carry `facial_prior` (P,) float32
and `facial_prior_valid`, and batches carry `facial_priors` (B, P) float32 and `facial_prior_valid` (B,).
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llava import conversation as conversation_lib
from llava.constants import IGNORE_INDEX, IMAGE_TOKEN_INDEX
from llava.mm_utils import process_images
from llava.train.train import (
    DataArguments,
    DataCollatorForSupervisedDataset,
    LazySupervisedDataset,
    preprocess_multimodal,
)
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from llava_faba.data.fabainstruct import read_training, refuse_missing_images
from llava_faba.errors import InputError
from llava_faba.faces import FaceSample
from llava_faba.prior import FacialPrior
from llava_faba.prior.gather import gather_priors, open_picture
from llava_faba.processes import say
from llava_faba.train import masks
from llava_faba.train.inputs import KEY

LISTED = 20  # ids that a message names one by one


class FaceDataset(LazySupervisedDataset):
    """LLaVA's data set over the faces of one or several FABA-Instruct files."""

    def __init__(
        self, data_path: str | Sequence[str], tokenizer: PreTrainedTokenizerBase, data_args: DataArguments
    ) -> None:
        torch.utils.data.Dataset.__init__(self)  # LLaVA's own __init__ opens one JSON file and no more
        self.tokenizer, self.data_args = tokenizer, data_args
        self.unread: list[str] = []  # ids of the samples in which no face was read
        self._priors: np.ndarray | None = None  # (n, P) float32
        self._valid: np.ndarray | None = None  # (n,) bool
        prepared = getattr(data_args, KEY, None)  # absent where no flags were parsed
        self._prepared = prepared
        if prepared is None:
            self._keep(read_training(data_files(data_path), data_args.image_folder))
            refuse_missing_images(self.samples, f"--image_folder {data_args.image_folder}")
        else:
            self._keep(list(prepared.samples))
        self.reserve(image_positions=1)

    def reserve(self, image_positions: int) -> None:
        """Say how many positions one image takes in the model (visual tokens + prior token).

        Raises InputError naming the first sample whose answer would then be cut off whole by `model_max_length`.
        """
        self.image_positions = image_positions
        # A token is at least one byte of text, so a question this short leaves room for its answer: not tokenised here.
        template = len(conversation_lib.default_conversation.system.encode()) + 64  # and its roles and marks
        room = self.tokenizer.model_max_length - image_positions - template
        for number, sample in enumerate(self.samples):
            if number == 0 or len(sample.conversations[0]["value"].encode()) > room:
                self._encode(sample)

    def bind_prior(self, prior: FacialPrior, *, keep_unread: bool) -> None:
        """Take or read the prior of every sample; leave out those with no face unless `keep_unread`.

        Raises InputError naming the sample whose prior cannot be used, and when no face is left.
        """
        if self._prepared is not None and self._prepared.vectors is not None:
            priors, valid = self._prepared.vectors, self._prepared.valid
        else:
            priors, valid = gather_priors(self.samples, prior)
        faces = np.array([sample.image is not None for sample in self.samples])
        self.unread = [
            sample.id for sample, face, ok in zip(self.samples, faces, valid, strict=True) if face and not ok
        ]
        if not valid.any():
            raise InputError(
                f"The prior {prior.name} read no face in any of the {faces.sum()} images of the training data.",
                "At least one sample must show a face that it can read.",
                "Check the pictures (`llava-faba crop` cuts faces out of photos), or choose another prior.",
            )
        if self.unread:
            listed = ", ".join(self.unread[:LISTED]) + (", ..." if len(self.unread) > LISTED else "")
            fate = "kept, with the learned empty prior" if keep_unread else "left out"
            say(f"{prior.name}: no face read in {len(self.unread)} of {faces.sum()} samples, {fate}: {listed}")
        if not keep_unread:
            kept = valid | ~faces
            self._keep([sample for sample, keep in zip(self.samples, kept, strict=True) if keep])
            priors, valid = priors[kept], valid[kept]
        self._priors, self._valid = priors, valid

    def prior_matrix(self) -> np.ndarray:
        """Return the priors that were read, (n_valid, P) float32, from which mean and spread are fitted."""
        assert self._priors is not None, "bind_prior comes first"
        return self._priors[self._valid]

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        sample = self.samples[i]
        input_ids, labels = self._encode(sample)
        item = {"input_ids": input_ids, "labels": labels}
        if sample.image_path is not None:
            image = open_picture(sample)
            item["image"] = process_images([image], self.data_args.image_processor, self.data_args)[0]
        elif self.data_args.is_multimodal:  # LLaVA's way with text among images
            size = self.data_args.image_processor.crop_size
            item["image"] = torch.zeros(3, size["height"], size["width"])
        if self._priors is not None:
            item["facial_prior"] = torch.from_numpy(self._priors[i])
            # LLaVA gives text alone a black image of which no token enters the sequence; so it is with its prior.
            item["facial_prior_valid"] = torch.tensor(bool(self._valid[i]) or sample.image is None)
        return item

    def _encode(self, sample: FaceSample) -> tuple[Tensor, Tensor]:
        conversation = copy.deepcopy(sample.conversations)
        if sample.image is not None:
            conversation = preprocess_multimodal([conversation], self.data_args)[0]
        input_ids, labels = masks.encode(conversation, self.tokenizer, sample.id)
        images = int((input_ids == IMAGE_TOKEN_INDEX).sum())
        room = self.tokenizer.model_max_length - images * (self.image_positions - 1)
        if room < len(labels) and (labels[: max(room, 0)] == IGNORE_INDEX).all():
            first = int((labels != IGNORE_INDEX).nonzero()[0]) + images * (self.image_positions - 1)
            raise InputError(
                f"Sample {sample.id!r} has nothing to train on: its first answer begins at position {first}, behind "
                f"the model_max_length of {self.tokenizer.model_max_length}.",
                "At least a part of an answer must lie within model_max_length, images included.",
                "Shorten the question, or give a larger --model_max_length.",
            )
        return input_ids, labels

    def _keep(self, samples: list[FaceSample]) -> None:
        self.samples = samples
        self.list_data_dict: list[dict[str, Any]] = [  # what LLaVA's `lengths` and `modality_lengths` read
            {"conversations": sample.conversations, **({} if sample.image is None else {"image": sample.image})}
            for sample in samples
        ]


class FaceCollator(DataCollatorForSupervisedDataset):
    """LLaVA's collator, which carries priors along."""

    def __call__(self, instances: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        batch = super().__call__(instances)
        if "facial_prior" in instances[0]:
            batch["facial_priors"] = torch.stack([instance["facial_prior"] for instance in instances])
            batch["facial_prior_valid"] = torch.stack([instance["facial_prior_valid"] for instance in instances])
        return batch


def make_supervised_data_module(tokenizer: PreTrainedTokenizerBase, data_args: DataArguments) -> dict[str, Any]:
    """Make data set and collator for LLaVA's `train()`, which calls this under LLaVA's name for it."""
    return {
        "train_dataset": FaceDataset(data_args.data_path, tokenizer, data_args),
        "eval_dataset": None,
        "data_collator": FaceCollator(tokenizer=tokenizer),
    }


def data_files(data_path: str | Sequence[str]) -> list[Path]:
    """Return the files of `--data_path`: one, a list, or one text with commas between them."""
    if not isinstance(data_path, str):
        return [file for part in data_path for file in data_files(part)]
    if Path(data_path).is_file():  # a comma may also stand in a file's name
        return [Path(data_path)]
    return [Path(part.strip()) for part in data_path.split(",") if part.strip()]
