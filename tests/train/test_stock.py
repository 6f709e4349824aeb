"""Without a prior, our training is LLaVA's own: the same losses, and the same weights bit for bit."""

import subprocess
import sys

import pytest

from tests.train.runs import REPOSITORY, difference, flags, losses, train, weights

pytestmark = pytest.mark.slow


def test_without_a_prior_five_steps_are_stock_llavas(tiny_llava, face_data, tmp_path):
    """LoRA with dropout, grouped by length, gradient checkpoints; tests/train/stock.py says what stock means on 5.x."""
    for name, module in (("ours", "llava_faba.train.train"), ("stock", "tests.train.stock")):
        ran = train(flags(tiny_llava, face_data, tmp_path / name, prior=False, seed=3), module=module)
        assert ran.returncode == 0, ran.stdout[-3000:]
    ours, stock = losses(tmp_path / "ours"), losses(tmp_path / "stock")
    assert len(ours) == 5 and ours == stock
    assert difference(weights(tmp_path / "ours"), weights(tmp_path / "stock")) == 0
    assert not (tmp_path / "ours" / "facial_prior_projector.safetensors").exists()
    assert "facial" not in (tmp_path / "ours" / "config.json").read_text()


def test_stock_is_not_attached():
    """What the comparison above is worth: LLaVA's own classes run in it."""
    program = (
        "import runpy, sys; import tests.train.stock as s; from llava.train import train as t; "
        "assert t.LLaVATrainer.__module__ == 'llava.train.llava_trainer', t.LLaVATrainer; "
        "assert t.LlavaLlamaForCausalLM.__module__ == 'llava.model.language_model.llava_llama'; "
        "assert t.make_supervised_data_module.__module__ == 'llava.train.train'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)
