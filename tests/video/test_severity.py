"""The severity path: losses against their definitions, attention against a plain one, the interval's promise."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from llava_faba.video.interval import ConformalInterval, interval_around, residual_of
from llava_faba.video.learner import Recipe, SeverityLearner
from llava_faba.video.network import OwnDropout, PartBlock, SeverityPath
from llava_faba.video.severity import SeverityHead, balanced_mse, severity_loss
from tests.conftest import REPOSITORY


def test_balanced_mse_lets_predictions_choose_among_targets():
    """TraMP-Former calls its loss as criterion(label, prediction), which is another number."""
    predicted, target = torch.tensor([0.5, 1.0, 3.0]), torch.tensor([0.0, 0.0, 4.0])
    by_hand = 0.0
    for i in range(3):
        weights = torch.exp(-((predicted[i] - target) ** 2) / 2)
        by_hand -= torch.log(weights[i] / weights.sum()) / 3
    assert balanced_mse(predicted, target).item() == pytest.approx(2 * by_hand.item(), rel=1e-6)
    assert balanced_mse(target, predicted).item() != pytest.approx(2 * by_hand.item(), rel=1e-2)
    assert balanced_mse(predicted[:1], target[:1]).item() == 0


def test_a_part_of_a_step_is_judged_among_all_of_its_ratings():
    """With one clip a micro-batch there was nothing to choose from: the loss was 0 and the path stayed as it was."""
    predicted, target = torch.tensor([0.5, 1.0, 3.0]), torch.tensor([0.0, 0.0, 4.0])
    parts = [balanced_mse(predicted[i : i + 1], target[i : i + 1], among=target) for i in range(3)]
    assert torch.stack(parts).mean().item() == pytest.approx(balanced_mse(predicted, target).item(), rel=1e-6)


def a_path(seed: int = 0) -> SeverityPath:
    torch.manual_seed(seed)
    return SeverityPath(68, 3, 8, visual_width=6, expressions=2, width=16, depth=1, heads=4).eval()


def some_clips(count: int, seed: int = 0) -> tuple[dict, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    clips = {"motion": torch.randn(count, 8, 68, 3, generator=random), "expressions": torch.arange(count) % 2}
    clips |= {"motion_times": torch.arange(8.0).expand(count, 8), "visual": torch.randn(count, 2, 6, generator=random)}
    return clips, torch.arange(count).float() % 5


def gradient_of(path: SeverityPath) -> torch.Tensor:
    return torch.cat([weight.grad.flatten() for weight in path.parameters()])


@pytest.mark.parametrize("loss", ["balanced_mse", "mse", "ordinal"])
def test_one_clip_accumulated_eight_times_trains_as_a_batch_of_eight(loss):
    clips, severity = some_clips(8)
    severity[3] = float("nan")  # not rated
    trained = []
    for size in (8, 1, 3):
        torch.manual_seed(0)
        path = SeverityPath(68, 3, 8, visual_width=6, expressions=2, width=16, depth=1, heads=4, loss=loss).eval()
        learner = SeverityLearner(path, Recipe(loss=loss, learning_rate=1e-3))
        before = [weight.clone() for weight in path.parameters()]
        for start in range(0, 8, size):
            part = slice(start, start + size)
            learner.take({name: value[part] for name, value in clips.items()}, severity[part])
        assert learner.step(0)
        assert any(not torch.equal(a, b) for a, b in zip(before, path.parameters(), strict=True))
        trained.append(gradient_of(path))
    assert trained[0].abs().max() > 1e-3
    assert torch.allclose(trained[0], trained[1], atol=1e-6) and torch.allclose(trained[0], trained[2], atol=1e-6)


def test_a_single_rating_waits_for_the_next_step_of_balanced_mse():
    learner = SeverityLearner(a_path(), Recipe())
    clips, severity = some_clips(3)
    learner.take({name: value[:1] for name, value in clips.items()}, severity[:1])
    assert not learner.step(0) and int(learner.steps) == 0
    learner.take({name: value[1:] for name, value in clips.items()}, severity[1:])
    assert learner.step(1) and int(learner.steps) == 1
    together = SeverityLearner(a_path(), Recipe())
    together.take(clips, severity)
    together.step(0)
    assert torch.allclose(gradient_of(learner.path), gradient_of(together.path), atol=1e-6)


def test_a_path_is_in_float32_however_it_was_built_and_cast():
    torch.set_default_dtype(torch.bfloat16)
    try:
        path = SeverityPath(68, 3, 8, visual_width=6, width=16, heads=4)
    finally:
        torch.set_default_dtype(torch.float32)
    for cast in (path.half, path.bfloat16, lambda: path.to(torch.float16)):
        before = path.expression.clone()
        cast()
        assert {weight.dtype for weight in path.parameters()} == {torch.float32}
        assert torch.equal(path.expression, before), "not even for a moment"


def test_what_was_not_seen_does_not_count():
    """Behind the end of a clip at rest, and where no point of a part was seen, frames are empty."""
    path = a_path()
    clips, _ = some_clips(1)
    motion = clips["motion"].clone()
    motion[..., 2] = 1
    motion[:, 4:] = 0
    encoded = path.encoder(motion, clips["motion_times"])
    hidden = motion.clone()
    hidden[:, :, 48:] = 0  # the mouth is never seen
    assert torch.isfinite(path.encoder(hidden, clips["motion_times"])).all() and torch.isfinite(encoded).all()


def test_ordinal_outputs_reproduce_a_grade_and_grades_between():
    head = SeverityHead(8, "ordinal")
    logits = torch.tensor([[20.0, 20.0, -20.0, -20.0], [20.0, 0.0, -20.0, -20.0]])
    assert head.severity(logits).tolist() == pytest.approx([2.0, 1.5], abs=1e-4)
    assert severity_loss("ordinal", logits[:1], torch.tensor([2.0])).item() < 1e-6
    assert severity_loss("ordinal", logits[:1], torch.tensor([3.0])).item() > 1


def test_each_partition_attends_to_its_own_tokens():
    """A change of one token changes exactly the tokens that share a window with it in one of the four partitions."""
    torch.manual_seed(0)
    block = PartBlock(16, 4, window=2, dropout=0.0)
    x = torch.randn(1, 4, 3, 5, 16)
    changed = x.clone()
    changed[0, 1, 2, 3] += 1
    moved = (block._attend(block.qkv(x)) - block._attend(block.qkv(changed))).abs().amax(-1)[0] > 1e-7  # (F, K, L)
    expected = torch.zeros(4, 3, 5, dtype=torch.bool)
    for frame in range(4):
        same_window, same_phase = frame // 2 == 0, frame % 2 == 1
        if same_window or same_phase:
            expected[frame, 2, :] = expected[frame, :, 3] = True
    assert torch.equal(moved, expected)


def test_a_partitions_attention_is_the_plain_one():
    torch.manual_seed(0)
    block = PartBlock(16, 4, window=2, dropout=0.0)
    qkv = torch.randn(1, 4, 3, 5, 48)
    q, k, v = (qkv.view(1, 4, 3, 5, 3, 4, 1, 4)[:, :2, 1, :, i, 0, 0].reshape(1, 10, 4) for i in range(3))
    plain = functional.softmax(q @ k.transpose(1, 2) / 2, -1) @ v  # frames 0 and 1, part 1, first quarter of the heads
    assert torch.allclose(block._attend(qkv)[:, :2, 1, :, :4].reshape(1, 10, 4), plain, atol=1e-6)


def test_every_weight_of_the_path_gets_a_gradient_and_none_is_a_linear_layer_that_lora_takes():
    torch.manual_seed(0)
    path = SeverityPath(106, 3, 16, visual_width=12, expressions=5, width=32, heads=4)
    outputs = path(
        torch.randn(3, 16, 106, 3), torch.rand(3, 16), torch.randn(3, 4, 12), torch.tensor([0, 1, 4])
    ).outputs
    severity_loss("balanced_mse", outputs, torch.tensor([0.0, 2.0, 4.0])).backward()
    without = [name for name, weight in path.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not without, "attention to a single key would leave queries and keys without one"
    assert not any(isinstance(module, torch.nn.Linear) for module in path.modules())


def test_own_dropout_does_not_hear_the_shared_stream():
    first, second = OwnDropout(0.5), OwnDropout(0.5)
    x = torch.ones(4, 8)
    torch.manual_seed(0)
    a = [first(x) for _ in range(3)]
    b = []
    for _ in range(3):
        torch.rand(7)
        b.append(second(x))
    assert all(torch.equal(one, other) for one, other in zip(a, b, strict=True)) and not torch.equal(a[0], a[1])
    assert torch.equal(first.eval()(x), x)


def test_every_dropout_layer_draws_its_own_masks_and_the_seed_decides_them():
    """All layers of all seeds drew the same mask."""
    path = SeverityPath(68, 3, 8, visual_width=6, width=16, heads=4, depth=3, dropout=0.5)
    layers = [module for module in path.modules() if isinstance(module, OwnDropout)]
    masks = {}
    for seed in (0, 1):
        path.seed_dropout(seed)
        for number, layer in enumerate(layers):
            layer.calls.zero_()
            masks[seed, number] = tuple(layer(torch.ones(64)).tolist())
    assert len(layers) > 3 and len(set(masks.values())) == len(masks)


def test_the_conformal_interval_covers_what_it_promises():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        residuals = rng.exponential(0.5, 50)
        interval = ConformalInterval(tuple(np.abs(residuals[:-1])), 0.9)
        covered.append(residuals[-1] <= interval.half_width)
    assert 0.87 <= np.mean(covered) <= 0.95
    around = ConformalInterval((0.5,) * 30, 0.9).around(3.8)
    assert around["low"] == pytest.approx(3.3) and around["high"] == 4.0 and "30 validation clips" in around["method"]
    assert ConformalInterval((0.1, 0.2), 0.9).around(2.0)["low"] == 0.0, "two clips promise nothing"
    assert interval_around(1.0, None) is None


def test_clips_of_one_patient_promise_no_more_than_one_patient():
    """Five patients with six clips alike each: counted by clips, new patients are covered too rarely."""
    rng = np.random.default_rng(1)
    by_patient, by_clip = [], []
    for _ in range(600):
        residuals = np.abs(rng.normal(0, 1, 6)[:, None] + rng.normal(0, 0.1, (6, 6)))
        known, new = residuals[:5].ravel(), residuals[5]
        names = tuple(str(index // 6) for index in range(30))
        by_patient.append((new <= ConformalInterval(tuple(known), 0.75, names).half_width).mean())
        by_clip.append((new <= ConformalInterval(tuple(known), 0.75).half_width).mean())
    assert np.mean(by_patient) >= 0.74 and np.mean(by_clip) < 0.72
    few = ConformalInterval((0.1,) * 40, 0.9, tuple("abcdefgh" * 5))
    assert few.around(2.0)["low"] == 0.0 and "9 patients or more are needed" in few.method
    assert "new patient who is exchangeable" in few.method


@pytest.mark.parametrize(("patients", "clips"), [(9, 5), (10, 20), (20, 1), (20, 20)])
@pytest.mark.parametrize(("own", "scatter"), [(0.0, 0.8), (0.4, 0.6), (0.7, 0.1)])
def test_new_patients_are_covered_as_often_as_promised_and_hardly_more(patients, clips, own, scatter):
    """Predictions beyond the scale are held in it, ratings are whole, patients differ: it was 97 to 99 of 100."""
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(120):
        rated = rng.integers(0, 5, (patients + 20, clips))
        predicted = rated + rng.normal(0, own, (len(rated), 1)) + rng.normal(0, scatter, rated.shape)
        away = np.array([residual_of(*pair) for pair in zip(predicted.flat, rated.flat, strict=True)]).reshape(
            rated.shape
        )
        names = tuple(str(index // clips) for index in range(patients * clips))
        interval = ConformalInterval(tuple(away[:patients].ravel()), 0.9, names)
        around = interval.around(float(predicted[-1, 0]))
        assert (around["low"] <= rated[-1, 0] <= around["high"]) == (away[-1, 0] <= interval.half_width)
        covered.append((away[patients:] <= interval.half_width).mean())
    assert 0.87 <= np.mean(covered) <= 0.95


def test_residuals_end_where_the_scale_ends():
    assert [residual_of(*pair) for pair in ((4.5, 4), (4.5, 3), (-1.0, 0), (-1.0, 1), (2.0, 3.5))] == [
        0,
        1.5,
        0,
        2,
        1.5,
    ]
    around = ConformalInterval((0.5,) * 30, 0.9).around(5.2)
    assert around["low"] == around["high"] == 4.0


@pytest.mark.slow
def test_it_learns_a_planted_answer_and_a_tremor_from_the_trajectory_alone():
    script = REPOSITORY / "scripts" / "benchmarks" / "severity_learns.py"
    rows = ["batch_8", "batch_1x8", "constant_shift", "without_trajectory", "tremor"]
    command = [sys.executable, script, "--json", "--epochs", "3", "--rows", *rows]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["clips"] >= 2000
    assert result["head_free"] >= 0.92
    assert result["head_free"] - result["constant_shift"] >= 0.2
    assert abs(result["head_free"] - result["batch_1x8"]) < 0.03
    assert 0.85 <= np.mean([result["rows"][row]["coverage"] for row in ("batch_8", "batch_1x8")]) <= 0.95
    assert abs(result["without_trajectory"]) < 0.2
    assert result["tremor"] >= 0.9
