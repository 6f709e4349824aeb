"""Small models for the tests, made once a session: a tiny LLaVA, and one with a facial prior."""

from pathlib import Path

import pytest
import torch

TEXTS = [
    "A chat between a curious user and an artificial intelligence assistant.",
    "The assistant gives helpful, detailed, and polite answers to the user's questions.",
    "USER: What emotions are conveyed by this face? ASSISTANT: The face shows happiness; the corners are raised.",
    "USER: What AUs are conveyed by this face? ASSISTANT: AU6 and AU12 are present.",
] * 8
P = 7  # length of the prior in tests that need no real one


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory) -> Path:
    """The folder of a tiny stock LLaVA."""
    from llava_faba.model.tiny import make_tiny_llava

    return make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava-v1.5-tiny", TEXTS)


def prior_model(folder: Path, seed: int = 0, **fields):
    """The tiny LLaVA in `folder` with a fresh prior of length P (or as `fields` say), in float32."""
    from llava_faba.host import compat

    compat.apply()
    from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM

    model = FabaLlavaLlamaForCausalLM.from_pretrained(folder)
    fields = {"facial_prior_tower": "precomputed", "facial_prior_hidden_size": P, **fields}
    for name, value in fields.items():
        setattr(model.config, name, value)
    torch.manual_seed(seed)
    model.get_model().build_facial_prior()
    model.get_vision_tower().load_model()
    return model.eval()


def a_prompt(model_folder: Path, question: str = "What emotions are conveyed by this face?"):
    """Token ids (1, L) of LLaVA's v1 prompt for a question about one image, and pixels (1, 3, 112, 112)."""
    from llava.constants import IMAGE_TOKEN_INDEX
    from llava.conversation import conv_templates
    from llava.mm_utils import tokenizer_image_token

    from llava_faba.model.tokenizer import load_tokenizer

    conversation = conv_templates["llava_v1"].copy()
    conversation.append_message(conversation.roles[0], "<image>\n" + question)
    conversation.append_message(conversation.roles[1], None)
    ids = tokenizer_image_token(
        conversation.get_prompt(), load_tokenizer(model_folder), IMAGE_TOKEN_INDEX, return_tensors="pt"
    )
    return ids[None], torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(0))
