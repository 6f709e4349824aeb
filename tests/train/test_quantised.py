"""QLoRA: the language model in 4 or 8 bits, and the projectors as they are, which are trained whole."""

import pytest
from torch import nn

from llava_faba.host import compat
from llava_faba.model.prior_modules import FacialPriorProjector


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
