"""The configuration of a LLaVA that assesses clips: llava-faba's own plus the fields below, most of them flags too.

TraMP-LLaMA's figure gives the parts and their connections; every size and default here is our choice.
"""

from typing import Any

from llava_faba.errors import InputError
from llava_faba.model.config import FabaLlavaConfig
from llava_faba.motion.trajectory import AUGMENTATIONS, LAYOUTS, NORMALISATIONS, SAMPLINGS
from llava_faba.video.reports import REPORT_MODES
from llava_faba.video.severity import check_loss
from llava_faba.vocabulary import EXPRESSIONS

OBJECTIVES = ("joint", "severity", "report")

FIELDS = (  # training flags that shape the model; a base that has a severity path keeps its own
    "motion_frames",
    "motion_frames_at_rest",
    "motion_points",
    "motion_model",
    "motion_colour",
    "motion_normalisation",
    "motion_sampling",
    "motion_width",
    "motion_depth",
    "motion_heads",
    "motion_dropout",
    "picture_frames",
    "visual_token_budget",
    "regression_loss",
    "expressions",
)
TRAINING_FIELDS = ("regression_weight", "motion_augmentation", "report_mode")  # flags that every run sets anew


class FeqaLlavaConfig(FabaLlavaConfig):
    """LLaVA's configuration with the fields of facial expression quality assessment."""

    model_type = "llava_feqa_llama"

    motion_frames = None  # frames of a clip's trajectory; None: a model that has not learned clips yet
    motion_frames_at_rest = None  # frames of a clip of the face at rest (TraMP-Former: 64 of 128); None: as many
    motion_points = 68  # landmarks a frame: 68 (dlib), 106 (insightface), 73 (these without the contour, as PFED5's)
    motion_model = None  # insightface's 2d106det.onnx for 106 and 73; None: where `llava-faba models` puts it
    motion_colour = True  # R, G and B of each landmark's pixel beside x and y, as TraMP-Former
    motion_normalisation = "head_free"  # or constant_shift, as TraMP-Former
    motion_sampling = "aligned"  # or published, as TraMP-Former
    motion_width = 64
    motion_depth = 2
    motion_heads = 8
    motion_dropout = 0.0
    picture_frames = 8  # pictures a clip that the vision tower sees
    visual_token_budget = 128  # visual tokens a clip that the LLM reads, at most
    regression_loss = "balanced_mse"  # or mse, ordinal
    regression_weight = 1.0  # of the regression loss beside the language loss
    motion_augmentation = "none"  # or published, as TraMP-Former: reversed time, random windows, flips and cuts
    expressions = EXPRESSIONS
    report_mode = "free"  # or sections: reports in the sections of `reports.SECTIONS`
    feqa_objective = "joint"  # or severity, report: which losses train
    severity_steps = 0  # optimiser steps of the severity path; 0: its weights are random
    report_steps = 0  # optimiser steps of the language; 0: its projections are random
    severity_residuals = None  # `interval.residual_of` each rated clip of the validation set
    severity_patients = None  # the patient of each residual, hashed; None: not known
    clips_seen = None  # {"training": {"ids", "files", "patients"}, "validation": ...}: hashes, see data/leakage.py


def check_clips(config: Any) -> None:
    """Refuse a configuration that no model can be built from; each error names the field."""
    check_loss(config.regression_loss)
    for field, allowed in (
        ("motion_normalisation", NORMALISATIONS),
        ("motion_sampling", SAMPLINGS),
        ("motion_augmentation", AUGMENTATIONS),
        ("motion_points", tuple(LAYOUTS)),
        ("report_mode", REPORT_MODES),
        ("feqa_objective", OBJECTIVES),
    ):
        if getattr(config, field) not in allowed:
            raise InputError(
                f"{field} is {getattr(config, field)!r}.",
                f"It is one of {', '.join(map(str, allowed))}.",
                f"Correct --{field}.",
            )
    if not (config.motion_frames_at_rest is None or 1 <= config.motion_frames_at_rest <= config.motion_frames):
        raise InputError(
            f"motion_frames_at_rest is {config.motion_frames_at_rest} and motion_frames {config.motion_frames}.",
            "A clip of the face at rest has 1 to motion_frames frames.",
            "Give 64 and 128 as TraMP-Former, or leave --motion_frames_at_rest out.",
        )
    if config.motion_heads % 4 or config.motion_width % config.motion_heads:
        raise InputError(
            f"motion_heads is {config.motion_heads} and motion_width {config.motion_width}.",
            "The heads are a multiple of 4 (a quarter a partition) and divide the width.",
            "Use 8 and 64.",
        )
    if not 1 <= config.picture_frames <= config.visual_token_budget:
        raise InputError(
            f"picture_frames is {config.picture_frames} and visual_token_budget {config.visual_token_budget}.",
            "Each picture needs at least one token of the budget.",
            "Give a larger --visual_token_budget, or fewer --picture_frames.",
        )
    if config.facial_prior_tower:
        raise InputError(
            f"The model carries the facial prior {config.facial_prior_tower}.",
            "A model that assesses clips reads trajectories instead of a prior.",
            "Leave --facial_prior_tower out and start from a base model without one.",
        )


def expression_index(config: Any, expression: str) -> int:
    """Return an expression's place among the model's."""
    names = list(config.expressions)
    if expression not in names:
        raise InputError(
            f"The expression is {expression!r}.", f"This model knows {', '.join(names)}.", "Choose one of these."
        )
    return names.index(expression)
