"""The assessing model: which loss reaches which weight, and that the severity path hears nothing of the language."""

import copy

import pytest
import torch

from llava_faba.errors import InputError
from llava_faba.video.learner import Recipe, SeverityLearner
from llava_faba.video.parts import hold_apart
from llava_faba.video.weights import PATH, PROJECTIONS
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


def train(model, objective: str, steps: int = 20, scale: float = 1.0) -> dict:
    """Train as the trainer does, dropout everywhere, gradients clipped low; return the severity path's weights.

    `scale` multiplies the language loss as fp16's loss scaler does, which skips a step whose gradients overflow.
    """
    wrapped = with_lora(model)
    wrapped.config.feqa_objective = objective
    path = hold_apart(wrapped).eval()
    learner = SeverityLearner(path, Recipe(learning_rate=1e-2, max_norm=0.05))
    language = [weight for weight in wrapped.parameters() if weight.requires_grad]
    assert not {id(weight) for weight in language} & {id(weight) for weight in path.parameters()}
    optimiser = torch.optim.AdamW(language, lr=1e-2)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=10**6)
    torch.manual_seed(2)
    skipped = 0
    for step in range(steps):
        batch = a_batch(step)
        severity = batch.pop("severity")
        output = wrapped(**batch)
        scaler.scale(output.loss).backward()
        scaler.unscale_(optimiser)
        norm = torch.nn.utils.clip_grad_norm_(language, 0.05)
        if objective == "joint":
            assert not norm <= 0.05, "the language gradient is large enough to be clipped"
        skipped += not torch.isfinite(norm)
        scaler.step(optimiser)
        scaler.update(scale)
        optimiser.zero_grad()
        learner.take({**batch, "visual": output.visual}, severity)
        assert learner.step(step)
    wrapped.config.feqa_objective = "joint"
    assert skipped == (steps if scale > 1 else 0)
    return {name: weight.detach().clone() for name, weight in path.state_dict().items()}


def test_after_20_joint_steps_the_severity_path_is_that_of_a_regression_only_run(model):
    """One gradient norm over all weights, or one stream of random numbers, would couple them (traps.md 22)."""
    joint, alone = train(model, "joint"), train(model, "severity")
    untouched = getattr(model.get_model(), PATH).state_dict()
    assert any(not torch.equal(untouched[name], alone[name]) for name in alone)
    assert joint.keys() == alone.keys()
    for name in alone:
        assert torch.allclose(joint[name], alone[name], atol=1e-6, rtol=0), name


def test_a_language_loss_that_overflows_in_fp16_skips_no_step_of_the_severity_path(model):
    """The loss scaler skipped both updates when one of the two overflowed."""
    overflowing, alone = train(model, "joint", 6, scale=1e38), train(model, "severity", 6)
    assert all(torch.allclose(overflowing[name], alone[name], atol=1e-6, rtol=0) for name in alone)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_jaw_tremor_of_a_hundredth_reaches_the_head_whatever_the_model_is_cast_to(tiny_llava, dtype):
    """bfloat16 has steps of 0.004 at 0.9: a tremor of 0.006 inter-ocular distances at 5 Hz became one value."""
    model = feqa_model(tiny_llava, motion_frames=64, seed=3).eval()
    path = getattr(model.get_model(), PATH)
    times = torch.arange(64) / 25.0
    still = torch.ones(1, 64, 68, 3) * torch.tensor([0.1, 0.9, 1.0])
    shaking = still.clone()
    shaking[0, :, 48:, 1] += 0.003 * torch.sin(2 * torch.pi * 5 * times)[:, None]
    visual, asked = torch.randn(1, 2, model.config.mm_hidden_size), torch.tensor([4])
    exact = [path(motion, times[None], visual, asked).motion for motion in (still, shaking)]
    model.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        seen = [model._assess(visual[:, :, None].to(dtype), m, times[None], asked) for m in (still, shaking)]
    assert all(weight.dtype == torch.float32 for weight in path.parameters())
    lost = visual.to(dtype).float() - visual
    rounded = [path(motion, times[None], visual + lost, asked).outputs for motion in (still, shaking)]
    assert all(torch.equal(a.outputs, b) for a, b in zip(seen, rounded, strict=True)), "only the pictures lose bits"
    assert all(torch.equal(a.motion, b) for a, b in zip(seen, exact, strict=True))
    assert (seen[1].motion - seen[0].motion).abs().max() > 1e-4
    with pytest.raises(InputError, match="motion is torch"):
        model._assess(visual[:, :, None], shaking.bfloat16(), times[None], asked)


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
