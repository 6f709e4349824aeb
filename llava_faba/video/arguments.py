"""LLaVA's training flags with those of clips; each is a field of FeqaLlavaConfig, which explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llava_faba.data.clips import ClipSample, read_samples
from llava_faba.data.leakage import refuse_leaks
from llava_faba.errors import InputError
from llava_faba.train.arguments import FabaDataArguments, FabaModelArguments
from llava_faba.video.severity import MIN_RATINGS, check_loss
from llava_faba.vocabulary import EXPRESSIONS


@dataclass
class FeqaModelArguments(FabaModelArguments):
    """llava-faba's model flags and those of the severity path."""

    motion_frames: int = field(default=64, metadata={"help": "frames of a clip's trajectory; TraMP-Former takes 128"})
    motion_frames_at_rest: int | None = field(
        default=None, metadata={"help": "frames of a clip at rest; TraMP-Former takes 64; default: as many"}
    )
    motion_points: int = field(
        default=68, metadata={"help": "landmarks a frame: 68 (dlib), 106 (insightface), 73 (PFED5's released files)"}
    )
    motion_model: str | None = field(
        default=None, metadata={"help": "insightface's 2d106det.onnx, for 106 and 73 landmarks that no file holds"}
    )
    motion_colour: bool = field(
        default=True, metadata={"help": "R, G and B of each landmark's pixel beside x and y, as TraMP-Former"}
    )
    motion_normalisation: str = field(default="head_free", metadata={"help": "head_free or constant_shift"})
    motion_sampling: str = field(default="aligned", metadata={"help": "aligned (in time) or published"})
    motion_width: int = field(default=64, metadata={"help": "width of the severity path"})
    motion_depth: int = field(default=2, metadata={"help": "layers of the motion encoder"})
    motion_heads: int = field(default=8, metadata={"help": "heads of the motion encoder, a multiple of 4"})
    motion_dropout: float = field(default=0.0, metadata={"help": "dropout of the severity path, from its own stream"})
    picture_frames: int = field(default=8, metadata={"help": "pictures a clip that the vision tower sees"})
    visual_token_budget: int = field(default=128, metadata={"help": "visual tokens a clip that the LLM reads"})
    regression_loss: str = field(default="balanced_mse", metadata={"help": "balanced_mse, mse or ordinal"})
    regression_weight: float = field(default=1.0, metadata={"help": "of the regression loss beside the language loss"})
    motion_augmentation: str = field(
        default="none", metadata={"help": "none, or published: TraMP-Former's reversed time, random windows and flips"}
    )
    report_mode: str = field(
        default="free", metadata={"help": "free, or sections: reports in llava-faba's sections of the expression"}
    )
    expressions: list[str] = field(
        default_factory=lambda: list(EXPRESSIONS), metadata={"help": "the expressions that one model is trained for"}
    )
    feqa_objective: str = field(default="joint", metadata={"help": "joint; or severity, then report, for two stages"})

    def check_run(self, data_args: Any, training_args: Any, base: Mapping[str, Any]) -> None:
        """Refuse a run whose severity path could not be trained, or would stay random, before a model is loaded.

        `base` is the base model's config.json.
        """
        loss = base.get("regression_loss") if base.get("motion_frames") else self.regression_loss
        check_loss(loss)
        clips = (
            training_args.per_device_train_batch_size
            * training_args.gradient_accumulation_steps
            * training_args.world_size
        )
        if self.feqa_objective != "report":
            if clips < MIN_RATINGS[loss]:
                raise InputError(
                    f"An optimiser step sees {clips} clip, and regression_loss is {loss}.",
                    f"It compares the ratings of a step with each other: {MIN_RATINGS[loss]} or more, better 8.",
                    "Give --gradient_accumulation_steps 8 (ACCUMULATE=8), or --regression_loss mse.",
                )
        elif not data_args.pretrain_severity_path and not base.get("severity_steps"):
            raise InputError(
                "--feqa_objective is report, and no trained severity path is given.",
                "A report is written from what the severity path makes of a clip; this stage trains the language.",
                "Give --pretrain_severity_path FIRST/severity.safetensors (SEVERITY_PATH=...), or choose joint.",
            )


@dataclass
class FeqaDataArguments(FabaDataArguments):
    """LLaVA's data flags; `--image_folder` is the clip root."""

    validation_path: str | None = field(
        default=None, metadata={"help": "clips of other patients, from which the interval is made after training"}
    )
    trajectory_cache: str | None = field(
        default=None, metadata={"help": "folder of cached trajectories; default: .trajectories in the clip root"}
    )
    pretrain_severity_path: str | None = field(
        default=None, metadata={"help": "severity.safetensors of a first stage to start from"}
    )
    test_path: str | None = field(
        default=None, metadata={"help": "the test set, which is only compared with the others: no clip may be shared"}
    )
    trajectory_folder: str | None = field(
        default=None, metadata={"help": "PFED5's released landmarks, PATIENT/VIDEO-PATIENT.npy (detect_73_crop)"}
    )
    colour_folder: str | None = field(
        default=None, metadata={"help": "PFED5's released colours of them, the same names (RGB_1x1_fromLK)"}
    )

    def read_samples(self, files: Sequence[Path], clip_root: str) -> list[ClipSample]:
        """Read the training files and refuse clips that are shared with another set, before a model is loaded."""
        sets = {"training set": files, "validation set": [self.validation_path], "test set": [self.test_path]}
        read = {
            name: [sample for file in paths if file for sample in read_samples(file, clip_root)]
            for name, paths in sets.items()
        }
        refuse_leaks(read)
        return read["training set"]
