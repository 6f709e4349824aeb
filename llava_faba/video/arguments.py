"""LLaVA's training flags with those of clips; each is a field of FeqaLlavaConfig, which explains it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llava_faba.data.clips import ClipSample, read_samples
from llava_faba.files import read_json
from llava_faba.train.arguments import FabaDataArguments, FabaModelArguments, FabaTrainingArguments
from llava_faba.video.config import EXPRESSIONS


@dataclass
class FeqaModelArguments(FabaModelArguments):
    """llava-faba's model flags and those of the severity path."""

    motion_frames: int = field(default=64, metadata={"help": "frames of a clip's trajectory; TraMP-Former takes 128"})
    motion_points: int = field(default=68, metadata={"help": "landmarks a frame: 68 (dlib) or 106 (insightface)"})
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
    expressions: list[str] = field(
        default_factory=lambda: list(EXPRESSIONS), metadata={"help": "the expressions that one model is trained for"}
    )
    feqa_objective: str = field(default="joint", metadata={"help": "joint; or severity, then report, for two stages"})


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

    @staticmethod
    def read_samples(files: Sequence[Path], clip_root: str) -> list[ClipSample]:
        """Read the training files, before a model is loaded."""
        return [sample for file in files for sample in read_samples(file, clip_root)]


@dataclass
class FeqaTrainingArguments(FabaTrainingArguments):
    """LLaVA's training flags; under DeepSpeed no gradient is clipped.

    DeepSpeed clips by one norm over all weights, through which a large language gradient would shrink the
    regression's; elsewhere `max_grad_norm` holds for the severity path and the rest apart.
    """

    def __post_init__(self) -> None:
        if self.deepspeed:
            config = self.deepspeed if isinstance(self.deepspeed, dict) else read_json(self.deepspeed, "ZeRO config")
            self.deepspeed = {**config, "gradient_clipping": 0.0}  # 0.19 clips at 1.0 where its config says nothing
            self.max_grad_norm = 0.0
        super().__post_init__()
