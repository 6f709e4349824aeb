"""A base model that carries a facial prior keeps it, and may learn the empty prior that it lacks."""

import numpy as np
import pytest
import torch
from PIL import Image

from llava_faba.inference.describer import Describer
from llava_faba.model.weights import PRIOR_PREFIX
from tests.tiny import P
from tests.train.runs import deepspeed_flag, flags, train, weights


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["plain", "zero3"])
def test_an_empty_prior_is_added_to_a_base_that_was_trained_without_one(
    finished, tiny_llava, face_data, tmp_path, launcher
):
    """Half of the priors are left out in training; the model then answers where no face was read, and loads again."""
    base = finished("plain", lora_enable=False, max_steps=2, save_strategy="no").out
    changed = {"vision_tower": tiny_llava / "clip", "facial_prior_dropout": 0.5, **deepspeed_flag(launcher)}
    ran = train(flags(base, face_data, tmp_path / "lora", max_steps=3, **changed), launcher)
    assert ran.returncode == 0, ran.stdout[-3000:]
    learned = weights(tmp_path / "lora")[f"{PRIOR_PREFIX}empty"]
    assert learned.shape == (P,) and bool(learned.abs().sum() > 0)

    describer = Describer.from_pretrained(tmp_path / "lora", base)
    picture = Image.fromarray(np.full((60, 60, 3), 90, np.uint8))
    faces = describer.prepare_faces([picture] * 2, [(np.zeros(P, np.float32), False), (np.ones(P, np.float32), True)])
    assert all(describer.can_answer(face) for face in faces)
    last_keys = [describer.prefill([face]).faces[0][-1][0] for face in faces]
    assert not torch.equal(*last_keys)
