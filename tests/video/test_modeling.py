"""The assessing model: which loss reaches which weight, and that the severity path hears nothing of the language."""

import copy

import pytest
import torch

from llava_faba.errors import InputError
from llava_faba.video.modeling import PATH, PROJECTIONS, clip_by_part
from tests.video.feqa import a_batch, feqa_model


@pytest.fixture(scope="module")
def model(tiny_llava):
    return feqa_model(tiny_llava, motion_dropout=0.1)


def with_lora(model):
    """A copy as LLaVA's train() makes it: LoRA with dropout on the LLM, projector and clip modules trained."""
    from llava.train.train import find_all_linear_names
    from peft import LoraConfig, get_peft_model

    names = find_all_linear_names(model)
    torch.manual_seed(1)
    wrapped = get_peft_model(
        copy.deepcopy(model),
        LoraConfig(r=4, lora_alpha=8, target_modules=names, lora_dropout=0.2, task_type="CAUSAL_LM"),
    )
    inner = wrapped.get_model()
    for name in (PATH, *PROJECTIONS, "mm_projector"):
        getattr(inner, name).requires_grad_(True)
    return wrapped.train()


def test_the_language_loss_reaches_projections_and_lora_and_not_the_severity_path(model):
    wrapped = with_lora(model)
    wrapped.config.feqa_objective = "report"
    wrapped(**a_batch()).loss.backward()
    wrapped.config.feqa_objective = "joint"
    inner = wrapped.get_model()
    assert all(weight.grad is None for weight in getattr(inner, PATH).parameters()), "motion encoder, fusion and head"
    for name in (*PROJECTIONS, "mm_projector"):
        assert all(weight.grad is not None and weight.grad.any() for weight in getattr(inner, name).parameters()), name
    assert any(weight.grad is not None for name, weight in wrapped.named_parameters() if "lora_" in name)


def test_the_regression_loss_reaches_the_severity_path_and_nothing_else(model):
    wrapped = with_lora(model)
    wrapped.config.feqa_objective = "severity"
    wrapped(**a_batch()).loss.backward()
    wrapped.config.feqa_objective = "joint"
    reached = {name for name, weight in wrapped.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert reached and all(f".{PATH}." in name for name in reached)


def train(model, objective: str, steps: int = 20) -> tuple[dict, torch.Tensor]:
    """Train with dropout everywhere and gradients clipped low; return the path's weights and the other norm."""
    wrapped = with_lora(model)
    wrapped.config.feqa_objective = objective
    optimiser = torch.optim.AdamW([w for w in wrapped.parameters() if w.requires_grad], lr=1e-2)
    torch.manual_seed(2)
    norm = torch.zeros(())
    for step in range(steps):
        optimiser.zero_grad()
        wrapped(**a_batch(step)).loss.backward()
        norm = clip_by_part(wrapped, 0.05)
        optimiser.step()
    wrapped.config.feqa_objective = "joint"
    return getattr(wrapped.get_model(), PATH).state_dict(), norm


def test_after_20_joint_steps_the_severity_path_is_that_of_a_regression_only_run(model):
    """One gradient norm over all weights, or one stream of random numbers, would couple them (traps.md 22)."""
    joint, norm = train(model, "joint")
    alone, _ = train(model, "severity")
    assert norm > 0.05, "the language gradient is large enough to be clipped"
    untouched = getattr(model.get_model(), PATH).state_dict()
    assert any(not torch.equal(untouched[name], alone[name]) for name in alone)
    assert joint.keys() == alone.keys()
    for name in alone:
        assert torch.allclose(joint[name], alone[name], atol=1e-6, rtol=0), name


def test_the_tokens_are_motion_fusion_and_vision_within_the_budget(model):
    batch = a_batch()
    with torch.inference_mode():
        assessed, clips = model.eval().read_clips(
            batch["images"], batch["motion"], batch["motion_times"], batch["expressions"]
        )
    assert assessed.motion.shape == (4, 7, 16) and assessed.fused.shape == (4, 16)
    assert clips.tokens.shape == (4, 7 + 1 + 8, 64), "seven parts, one fused, 2 x 2 x 2 visual tokens"


def test_clips_without_a_rating_train_the_language_only(model):
    batch = a_batch()
    batch["severity"][:] = float("nan")
    model.train().zero_grad()
    output = model(**batch)
    assert output.regression_loss == 0
    assert torch.equal(output.loss, output.language_loss)


def test_the_base_is_found_again_in_a_saved_model(model, tmp_path, tiny_llava):
    from llava_faba.video.modeling import FeqaLlavaForCausalLM

    model.eval().save_pretrained(tmp_path)
    loaded = FeqaLlavaForCausalLM.from_pretrained(tmp_path).eval()
    loaded.get_vision_tower().load_model()
    batch = a_batch()
    with torch.inference_mode():
        a, b = model(**batch), loaded(**batch)
    assert torch.equal(a.severity, b.severity) and torch.allclose(a.loss, b.loss, atol=1e-6)


def test_a_configuration_that_cannot_be_built_names_the_field(tiny_llava):
    with pytest.raises(InputError, match="visual_token_budget"):
        feqa_model(tiny_llava, visual_token_budget=1)
    with pytest.raises(InputError, match="regression_loss"):
        feqa_model(tiny_llava, regression_loss="huber")
