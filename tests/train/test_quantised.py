"""QLoRA: the language model in 4 or 8 bits, and the projectors as they are, which are trained whole."""

import json
import shutil

import pytest
import torch
from torch import nn

from llava_faba.host import compat
from llava_faba.model.prior_modules import FacialPriorProjector
from tests.train.runs import difference, flags, lines, losses, train, weights


def is_quantised(name: str, skipped: list[str]) -> bool:
    """Whether the installed transformers quantises the linear layer of that name."""
    if compat.transformers_version() >= (5, 0, 0):
        from transformers.quantizers.quantizers_utils import should_convert_module

        return should_convert_module(name, skipped)
    return not any(key in name for key in skipped)  # 4.37.2, integrations/bitsandbytes.py, _replace_with_bnb_linear


@pytest.mark.parametrize(("name", "expected"), [("model.mm_projector.0", False), ("model.layers.0.mlp.up_proj", True)])
def test_the_visual_projector_is_not_quantised(name, expected):
    """LLaVA says "mm_projector", which transformers 5 finds in no name: training then stops at its first projector."""
    from transformers import BitsAndBytesConfig

    given = {"quantization_config": BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=["mm_projector"])}
    put = compat.from_pretrained_arguments({**given, "load_in_8bit": True})
    assert "load_in_8bit" not in put
    assert is_quantised(name, put["quantization_config"].llm_int8_skip_modules) is expected


def test_the_priors_projector_has_no_layer_that_is_quantised_or_adapted():
    """bitsandbytes and LLaVA's LoRA take every nn.Linear."""
    assert not any(isinstance(layer, nn.Linear) for layer in FacialPriorProjector([7], 64).modules())


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
def test_qlora_trains_on_a_cpu_and_resumes_to_the_same_end(finished, tiny_llava, face_data, tmp_path, bits):
    """bitsandbytes' CPU backend; both projectors are trained whole, in float, and stored so."""
    if compat.transformers_version() < (5, 0, 0):
        ran = train(flags(tiny_llava, face_data, tmp_path / "out", bits=bits))
        assert ran.returncode == 1 and len(lines(ran, f"error: --bits is {bits}, and there is no CUDA device")) == 1
        pytest.skip("transformers 4.37 quantises on CUDA only, and says so")
    run = finished("plain", bits=bits)
    assert json.loads((run.out / "run.json").read_text())["trained"]["bits"] == bits
    stored = weights(run.out)
    projectors = [name for name in stored if "_projector." in name]
    assert {name.split(".")[1] for name in projectors} == {"mm_projector", "facial_prior_projector"}
    assert all(stored[name].is_floating_point() and torch.isfinite(stored[name]).all() for name in projectors)
    assert losses(run.out)[-1] < losses(run.out)[0]
    assert "kernels-community" not in run.output

    out = tmp_path / "out"
    shutil.copytree(run.out / "checkpoint-4", out / "checkpoint-4")
    shutil.copy(run.out / "run.json", out)
    ran = train(flags(tiny_llava, face_data, out, **run.changes))
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert losses(out) == losses(run.out) and difference(weights(out), stored) == 0


@pytest.mark.slow
def test_qlora_starts_from_a_base_that_carries_a_prior(finished, tiny_llava, face_data, tmp_path):
    """The base's projectors come along as they are: what is quantised around them does not touch them."""
    if compat.transformers_version() < (5, 0, 0):
        pytest.skip("transformers 4.37 quantises on CUDA only, and says so")
    base = finished("plain", lora_enable=False, max_steps=2, save_strategy="no").out
    changed = {"vision_tower": tiny_llava / "clip", "bits": 4, "learning_rate": 0, "mm_projector_lr": 1e-30}
    ran = train(flags(base, face_data, tmp_path / "out", max_steps=1, **changed))
    assert ran.returncode == 0, ran.stdout[-3000:]
    before, after = whole_model(base), weights(tmp_path / "out")
    projectors = [name for name in after if "_projector." in name]
    assert len(projectors) == 8 and all(torch.equal(after[name], before[name]) for name in projectors)


def whole_model(folder):
    from llava_faba.model.weights import read_weights, weight_files

    return {name: tensor for file in weight_files(folder) for name, tensor in read_weights(file).items()}
