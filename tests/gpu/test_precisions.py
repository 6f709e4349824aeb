"""The same promises in half precision and under autocast: on a GPU (`-m gpu`), and the same code on a CPU."""

import subprocess
import sys

import pytest
import torch

from llava_faba.model.checkpoint import load
from tests.conftest import REPOSITORY
from tests.tiny import P, a_prompt, prior_model
from tests.train.runs import flags, losses, train

PLACES = pytest.mark.parametrize("place", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
HALVES = pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
PRIOR = torch.linspace(-2, 2, P)[None]


@pytest.fixture(autouse=True)
def there(request):
    """Skip what needs a GPU where there is none."""
    if request.node.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device here")


@pytest.fixture(scope="module")
def with_prior(tiny_llava, tmp_path_factory):
    """A whole model with a prior of seven numbers, on disk."""
    import shutil

    folder = tmp_path_factory.mktemp("prior") / "llava-v1.5-tiny-prior"
    fitted = {"facial_prior_mean": [0.0] * P, "facial_prior_std": [1.0] * P}
    prior_model(tiny_llava, **fitted).save_pretrained(folder)
    for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(tiny_llava / name, folder)
    return folder


def logits(model, folder):
    ids, pixels = a_prompt(folder)
    place = next(model.parameters()).device
    with torch.no_grad():
        return model(ids.to(place), images=pixels.to(place), facial_priors=PRIOR.to(place)).logits.float().cpu()


@PLACES
@HALVES
def test_half_precision_says_what_float32_says(with_prior, place, dtype):
    exact = logits(load(with_prior, device="cpu", dtype="float32")[1], with_prior)
    half = logits(load(with_prior, device=place, dtype=dtype)[1], with_prior)
    assert half.isfinite().all() and 0 < (half - exact).norm() < 0.05 * exact.norm()


@PLACES
def test_autocast_takes_pixels_and_priors_of_float32(with_prior, place):
    model = load(with_prior, device=place, dtype="float32")[1]
    exact = logits(model, with_prior)
    with torch.autocast(place, torch.bfloat16):
        rough = logits(model, with_prior)
    assert rough.isfinite().all() and 0 < (rough - exact).norm() < 0.05 * exact.norm()


@PLACES
@HALVES
def test_a_measurement_far_off_stays_finite(with_prior, place, dtype):
    """A spread of 1.8e-7 and an outlier of 0.02 were 110,000 spreads: NaN in float16."""
    model = load(with_prior, device=place, dtype=dtype)[1]
    model.config.facial_prior_std = [1.8e-7] * P
    assert logits(model, with_prior).isfinite().all()


@pytest.mark.slow
@PLACES
def test_a_step_in_bfloat16_has_the_loss_of_float32(tiny_llava, face_data, tmp_path, place):
    found = {}
    for precision, bf16 in (("float32", False), ("bfloat16", True)):
        out = tmp_path / precision
        visible = {"CUDA_VISIBLE_DEVICES": "0"} if place == "cuda" else {}
        ran = train(flags(tiny_llava, face_data, out, bf16=bf16, max_steps=2), **visible)
        assert ran.returncode == 0, ran.stdout[-3000:]
        found[precision] = losses(out)
    assert found["bfloat16"] == pytest.approx(found["float32"], rel=0.03) and found["bfloat16"] != found["float32"]


@pytest.mark.slow
@PLACES
def test_the_benchmark_of_a_gpu_runs_at_a_small_size(place):
    """Training in every precision that is here, ZeRO-2 and 3, QLoRA, loading in 4 and 8 bits, the demo."""
    command = [sys.executable, REPOSITORY / "scripts/benchmarks/gpu.py", "--small"]
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment(place))
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert "train bf16 ZeRO-3" in ran.stdout and "describe fp16" in ran.stdout and "name demo" in ran.stdout


def environment(place):
    import os

    own = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **own, **({"CUDA_VISIBLE_DEVICES": ""} if place == "cpu" else {})}
