"""Text without a picture among faces, as LLaVA's own mixtures hold it: its prior is never looked for and never used."""

import json
from types import SimpleNamespace

import pytest
import torch

from tests.tiny import P, prior_model


@pytest.fixture(scope="module")
def model(tiny_llava):
    return prior_model(tiny_llava, facial_prior_mean=[50.0] * P, facial_prior_std=[3.0] * P)


@pytest.fixture(scope="module")
def batch_of(tiny_llava, face_data, model):
    """batch_of(rows) -> what the collator makes of them; rows 0 to 11 are faces, 12 is text alone."""
    from llava import conversation

    from llava_faba.model.tokenizer import load_tokenizer
    from llava_faba.prior import build_prior
    from llava_faba.train.dataset import FaceCollator, FaceDataset

    before, conversation.default_conversation = conversation.default_conversation, conversation.conv_templates["v1"]
    turns = [{"from": "human", "value": "What is AU6?"}, {"from": "gpt", "value": "AU6 is present."}]
    text = face_data.with_name("text.json")
    text.write_text(json.dumps([{"id": "text", "conversations": turns}]))
    tokenizer = load_tokenizer(tiny_llava, model_max_length=512, padding_side="right")
    tokenizer.pad_token = tokenizer.unk_token
    arguments = SimpleNamespace(
        image_folder=str(face_data.parent),
        image_processor=model.get_vision_tower().image_processor,
        is_multimodal=True,
        mm_use_im_start_end=False,
        image_aspect_ratio="pad",
    )
    dataset = FaceDataset([str(face_data), str(text)], tokenizer, arguments)
    dataset.bind_prior(build_prior("precomputed"), keep_unread=False)
    yield lambda rows: FaceCollator(tokenizer)([dataset[row] for row in rows])
    conversation.default_conversation = before


def test_a_mixed_batch_is_each_row_alone(model, batch_of):
    with torch.no_grad():
        mixed = model(**batch_of([0, 12]))
        faces, text = model(**batch_of([0])), model(**batch_of([12]))
    assert mixed.logits.shape[0] == 2 and mixed.loss.isfinite()
    n_text = batch_of([12])["input_ids"].shape[1]
    assert torch.allclose(mixed.logits[0, : faces.logits.shape[1]], faces.logits[0], atol=1e-5)
    assert torch.allclose(mixed.logits[1, :n_text], text.logits[0, :n_text], atol=1e-5)


def test_the_prior_of_a_text_reaches_no_prompt(model, batch_of):
    batch = batch_of([12])
    with torch.no_grad():
        before = model(**batch).logits
        batch["facial_priors"] += 100
        assert torch.equal(model(**batch).logits, before)


def test_a_batch_of_text_keeps_the_projector_in_the_graph(model, batch_of):
    """A trained weight outside the graph stops DDP; its gradient is zero."""
    model.zero_grad()
    model(**batch_of([12])).loss.backward()
    gradients = [weight.grad for weight in model.get_model().facial_prior_projector.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)
    model.zero_grad()
    model(**batch_of([0, 12])).loss.backward()
    assert all(weight.grad.any() for weight in model.get_model().facial_prior_projector.parameters())
    model.zero_grad()
