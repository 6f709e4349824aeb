"""Likelihoods are those of the model's own forward pass, face by face."""

import numpy as np
import pytest
import torch
from PIL import Image

from llava_faba.inference.describer import Describer
from llava_faba.inference.likelihood import log_likelihoods
from tests.tiny import P, prior_model


@pytest.fixture(scope="module")
def read(tiny_llava):
    """A describer, and three faces read into it."""
    from llava_faba.model.checkpoint import load

    tokenizer, _, processor, _ = load(tiny_llava)
    describer = Describer(tokenizer, prior_model(tiny_llava), processor)
    random = np.random.default_rng(3)
    pictures = [Image.fromarray(random.integers(0, 255, (90, 90, 3), dtype=np.uint8)) for _ in range(3)]
    faces = describer.prepare_faces(pictures, [(random.normal(0, 3, P).astype(np.float32), True) for _ in pictures])
    return describer, faces, describer.prefill(faces)


@pytest.mark.parametrize(
    "asked",
    [
        [("What emotions are conveyed by this face?", "happiness"), ("Who?", "AU6 and AU12"), ("Who?", "No")],
        [("Who?", "She looks happy,"), ("Who?", "She looks sad,"), ("Who?", "She looks")],  # the beginning is read once
        [("Who?", "No")],
    ],
)
def test_log_likelihoods_are_those_of_a_plain_forward_pass(read, asked):
    describer, faces, prefix = read
    ours = log_likelihoods(describer, prefix, asked)
    for row, face in enumerate(faces):
        for column, (question, answer) in enumerate(asked):
            before = describer.prompt.before_question
            behind, wanted = describer.prompt.answer_ids(question, answer)
            with torch.no_grad():
                logits = describer.model(
                    torch.tensor([before + behind + wanted]),
                    images=face.pixels[None],
                    facial_priors=torch.from_numpy(face.prior)[None],
                ).logits[0, -len(wanted) - 1 : -1]
            expected = logits.log_softmax(-1)[range(len(wanted)), wanted].sum()
            assert ours[row, column] == pytest.approx(float(expected), abs=1e-4)
            assert describer.tokenizer.decode(wanted).strip() == answer
