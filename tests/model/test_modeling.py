"""LLaVA with a facial prior: stock without one, exactly one more token with one, each thread its own face."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from llava_faba.errors import InputError
from llava_faba.host import compat
from tests.tiny import P, a_prompt, prior_model

N_VISUAL = 64  # (112 / 14) squared


@pytest.fixture(scope="module")
def stock(tiny_llava):
    from llava.model.language_model.llava_llama import LlavaLlamaForCausalLM

    model = LlavaLlamaForCausalLM.from_pretrained(tiny_llava)
    model.get_vision_tower().load_model()
    return model.eval()


@pytest.fixture(scope="module")
def faba(tiny_llava):
    return prior_model(tiny_llava)


def embeddings(model, ids, images, **priors):
    """What the LLM reads, and the labels, after images and priors are put in."""
    images = model.with_priors(images, priors.get("facial_priors"), None) if priors else images
    return model.prepare_inputs_labels_for_multimodal(ids, None, None, None, ids.clone(), images)[4:]


def test_without_a_prior_the_model_is_stock_llava(tiny_llava, stock):
    from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM

    ours = FabaLlavaLlamaForCausalLM.from_pretrained(tiny_llava).eval()
    ours.get_vision_tower().load_model()
    ids, pixels = a_prompt(tiny_llava)
    with torch.no_grad():
        assert (ours(ids, images=pixels).logits - stock(ids, images=pixels).logits).abs().max() == 0
        assert (
            ours(ids, images=pixels, labels=ids.clamp(min=0)).loss
            == stock(ids, images=pixels, labels=ids.clamp(min=0)).loss
        )
    assert ours.state_dict().keys() == stock.state_dict().keys()
    generated = [m.generate(ids, images=pixels, do_sample=False, max_new_tokens=12) for m in (ours, stock)]
    assert torch.equal(*generated)


def test_without_a_prior_nothing_of_ours_is_saved(tiny_llava, tmp_path):
    from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM

    FabaLlavaLlamaForCausalLM.from_pretrained(tiny_llava).save_pretrained(tmp_path)
    assert "facial" not in (tmp_path / "config.json").read_text()


@pytest.mark.parametrize("position", ["after", "before", "only"])
def test_a_prior_is_one_token_at_its_position_and_changes_no_other(tiny_llava, stock, position):
    model = prior_model(tiny_llava, facial_prior_position=position)
    ids, pixels = a_prompt(tiny_llava)
    priors = torch.randn(1, P)
    ours, labels = embeddings(model, ids, pixels, facial_priors=priors)
    theirs, _ = embeddings(stock, ids, pixels)
    start = int((ids[0] == -200).nonzero())
    token = model.get_model().prior_tokens(priors)[:, 0]
    visual = slice(start, start + N_VISUAL)
    at = {"after": start + N_VISUAL, "before": start, "only": start}[position]
    expected = {
        "after": theirs[:, visual],
        "before": theirs[:, visual],
        "only": theirs[:, :0],
    }[position]
    assert ours.shape[1] == theirs.shape[1] + (1 if position != "only" else 1 - N_VISUAL)
    assert torch.equal(ours[:, at], token)
    assert torch.equal(ours[:, :start], theirs[:, :start])
    kept = torch.cat((ours[:, start:at], ours[:, at + 1 : start + expected.shape[1] + 1]), dim=1)
    assert torch.equal(kept, expected)
    assert torch.equal(ours[:, start + expected.shape[1] + 1 :], theirs[:, start + N_VISUAL :])
    assert labels[0, at] == -100


def test_positions_before_the_prior_have_stock_logits(tiny_llava, stock, faba):
    ids, pixels = a_prompt(tiny_llava)
    end = int((ids[0] == -200).nonzero()) + N_VISUAL
    with torch.no_grad():
        ours = faba(ids, images=pixels, facial_priors=torch.randn(1, P)).logits
        theirs = stock(ids, images=pixels).logits
    assert ours.shape[1] == theirs.shape[1] + 1
    torch.testing.assert_close(ours[:, :end], theirs[:, :end], atol=1e-5, rtol=0)


def test_the_normalisation_is_applied_before_the_projector(tiny_llava):
    mean, std = [float(i) for i in range(P)], [2.0] * P
    fitted = prior_model(tiny_llava, facial_prior_mean=mean, facial_prior_std=std)
    raw = prior_model(tiny_llava)
    priors = torch.randn(3, P)
    expected = raw.get_model().prior_tokens((priors - torch.tensor(mean)) / torch.tensor(std))
    torch.testing.assert_close(fitted.get_model().prior_tokens(priors), expected)


def test_a_prior_stays_float32_up_to_its_normalisation(tiny_llava):
    """In bfloat16 a landmark at 100.3 +- 0.01 would be 100.5 for everyone."""
    model = prior_model(tiny_llava, facial_prior_mean=[100.3] * P, facial_prior_std=[0.01] * P).to(torch.bfloat16)
    near, far = (model.get_model().prior_tokens(torch.full((1, P), value)) for value in (100.30, 100.31))
    assert near.dtype == torch.bfloat16 and not torch.equal(near, far)


def test_where_no_face_was_read_the_learned_empty_prior_stands_in(tiny_llava):
    model = prior_model(tiny_llava, facial_prior_dropout=0.5)
    projector = model.get_model().facial_prior_projector
    with torch.no_grad():
        projector.empty.copy_(torch.arange(P))
    priors, valid = torch.randn(2, P), torch.tensor([True, False])
    tokens = model.get_model().prior_tokens(priors, valid)
    stand_in = torch.stack((priors[0], torch.arange(P).float()))
    torch.testing.assert_close(tokens, model.get_model().prior_tokens(stand_in))


def test_without_an_empty_prior_an_unread_face_is_refused(tiny_llava, faba):
    ids, pixels = a_prompt(tiny_llava)
    with pytest.raises(InputError, match="No face was read in image 0"):
        faba(ids, images=pixels, facial_priors=torch.zeros(1, P), facial_prior_valid=torch.tensor([False]))


def test_a_prior_of_the_wrong_length_is_refused(tiny_llava, faba):
    ids, pixels = a_prompt(tiny_llava)
    with pytest.raises(InputError, match=rf"shape \(1, {P + 1}\).*\(1, {P}\)"):
        faba(ids, images=pixels, facial_priors=torch.zeros(1, P + 1))


@pytest.mark.parametrize("tiles", [torch.zeros(1, 5, 3, 112, 112), [torch.zeros(5, 3, 112, 112)]])
def test_any_resolution_images_are_refused(tiny_llava, faba, tiles):
    ids, _ = a_prompt(tiny_llava)
    with pytest.raises(InputError, match="any-resolution"):
        faba(ids, images=tiles, facial_priors=torch.zeros(1, P))


def test_priors_for_a_model_without_one_are_refused(tiny_llava):
    from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM

    ids, pixels = a_prompt(tiny_llava)
    with pytest.raises(InputError, match="without a facial prior"):
        FabaLlavaLlamaForCausalLM.from_pretrained(tiny_llava)(ids, images=pixels, facial_priors=torch.zeros(1, P))


@pytest.mark.parametrize("carries_prior", [False, True])
def test_lora_adapts_the_modules_that_stock_llava_adapts(tiny_llava, stock, carries_prior):
    compat.apply(training=True)  # which llava.train.train needs to be imported on transformers 5
    from llava.train.train import find_all_linear_names

    from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM

    ours = FabaLlavaLlamaForCausalLM.from_pretrained(tiny_llava)
    if carries_prior:
        ours.config.facial_prior_tower, ours.config.facial_prior_hidden_size = "precomputed", P
        ours.get_model().build_facial_prior()
    assert set(find_all_linear_names(ours)) == set(find_all_linear_names(stock))


def test_eight_threads_each_get_their_own_faces_answer(tiny_llava):
    """LLaVA's worker calls `generate` from several threads; nothing of one call may show in another."""
    model = prior_model(tiny_llava)
    ids, pixels = a_prompt(tiny_llava)
    priors = torch.randn(8, 1, P, generator=torch.Generator().manual_seed(1)) * 3
    options = {"do_sample": False, "max_new_tokens": 6, "return_dict_in_generate": True, "output_scores": True}

    def answer(face):
        output = model.generate(ids, images=pixels, facial_priors=priors[face], **options)
        return torch.cat(output.scores).flatten()

    alone = torch.stack([answer(face) for face in range(8)])
    assert torch.pdist(alone, p=float("inf")).min() > 1e-4  # each face has an answer of its own
    with ThreadPoolExecutor(8) as pool:
        together = torch.stack(list(pool.map(answer, [*range(8)] * 4)))
    torch.testing.assert_close(together, alone.repeat(4, 1), atol=1e-5, rtol=0)
