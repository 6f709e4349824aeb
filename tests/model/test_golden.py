"""EmoLA's layout and arithmetic, from recorded outputs that any clone has: no reference material is needed."""

import json

import numpy as np
import pytest
import torch

from llava_faba.model.checkpoint import load
from tests.conftest import shared_path
from tests.golden import emola


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    lora, base = emola.write_checkpoint(tmp_path_factory.mktemp("emola"))
    return load(lora, base, device="cpu")[1]


@pytest.fixture(scope="module")
def recorded():
    return np.load(emola.RECORDED)


@pytest.mark.parametrize("number", range(emola.CASES))
def test_a_checkpoint_in_emolas_layout_gives_the_recorded_logits_and_tokens(model, recorded, number):
    ids, pixels, prior = list(emola.cases())[number]
    inputs = {
        "images": torch.from_numpy(pixels).float()[None],
        "facial_priors": torch.from_numpy(prior).float()[None],
    }
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids]), **inputs).logits[0].numpy()
    assert len(logits) == recorded[f"length{number}"]
    np.testing.assert_allclose(logits[-1], recorded[f"logits{number}"], atol=1e-4, rtol=0)
    new = model.generate(torch.tensor([ids]), **inputs, do_sample=False, max_new_tokens=emola.NEW_TOKENS)[0].tolist()
    wanted = recorded[f"tokens{number}"].tolist()
    wanted = wanted[: wanted.index(2) if 2 in wanted else None]  # generate stops at the end token
    assert [token for token in new if token not in (1, 2)] == [token for token in wanted if token != 1]


def test_the_reference_meets_the_released_emola_code():
    """The plain-numpy reference gives what the released code gave for a checkpoint that this code trained."""
    root = shared_path("reference", "emola_checkpoint")
    lora = root / "llava-v1.5-tiny-lora-emola"

    def weights(path):
        stored = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.double().numpy() for name, tensor in stored.items()}

    from safetensors.numpy import load_file

    tower = {
        name.removeprefix("vision_model."): v for name, v in load_file(root / "clip" / "model.safetensors").items()
    }
    settings = json.loads((lora / "adapter_config.json").read_text())
    trained = weights(lora / "non_lora_trainables.bin")
    whole = emola.merged(
        weights(root / "base" / "pytorch_model.bin"),
        weights(lora / "adapter_model.bin"),
        trained,
        settings["r"],
        settings["lora_alpha"],
    )
    vision = json.loads((root / "clip" / "config.json").read_text())
    reference = emola.Reference(
        whole, tower, heads=4, vision_heads=vision["num_attention_heads"], patch=vision["patch_size"]
    )
    golden = np.load(root / "golden.npz")
    for face in range(8):
        prior = np.load(root / "data" / "landmarks" / f"{face}.npy").ravel()
        ids, pixels = golden[f"emotion{face}_ids"][0].tolist(), golden[f"emotion{face}_pixels"][0]
        logits = reference.logits(ids, pixels, prior)
        assert len(logits) == int(golden[f"emotion{face}_len"])
        np.testing.assert_allclose(logits[-1], golden[f"emotion{face}_logits_last"], atol=1e-4, rtol=0)
