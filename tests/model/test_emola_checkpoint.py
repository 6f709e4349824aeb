"""A checkpoint trained and run by the released EmoLA code gives its recorded outputs here."""

import numpy as np
import pytest
import torch

from llava_faba import plugin as host
from llava_faba.model.checkpoint import load
from tests.conftest import shared_path

CASES = [f"{task}{face}" for task in ("emotion", "au") for face in range(8)]


@pytest.fixture(scope="module", params=["ours", "LLaVA's, attached"])
def emola(request):
    """The checkpoint through our loader, and through LLaVA's own after attach()."""
    root = shared_path("reference", "emola_checkpoint")
    paths = str(root / "llava-v1.5-tiny-lora-emola"), str(root / "base")
    golden = np.load(root / "golden.npz")
    if request.param == "ours":
        model = load(*paths)[1]
        yield model, golden, root
    else:
        attachment = host.attach()
        try:
            from llava.model.builder import load_pretrained_model

            yield load_pretrained_model(*paths, "llava-v1.5-tiny-lora-emola", device="cpu")[1], golden, root
        finally:
            attachment.detach()


@pytest.mark.parametrize("case", CASES)
def test_the_recorded_length_logits_and_greedy_tokens_are_met(emola, case):
    model, golden, root = emola
    ids, pixels = (torch.from_numpy(golden[f"{case}_{key}"]) for key in ("ids", "pixels"))
    priors = torch.from_numpy(np.load(root / "data" / "landmarks" / f"{case[-1]}.npy")).float()[None]
    with torch.no_grad():
        logits = model(input_ids=ids, images=pixels, facial_priors=priors).logits
    assert logits.shape[1] == int(golden[f"{case}_len"])
    np.testing.assert_allclose(logits[0, -1].numpy(), golden[f"{case}_logits_last"], atol=1e-4, rtol=0)
    recorded = golden[f"{case}_gen"][0]
    new = model.generate(ids, images=pixels, facial_priors=priors, do_sample=False, max_new_tokens=len(recorded))[0]
    new = new[new != model.config.bos_token_id]  # transformers 4.37 puts one in front
    assert new.tolist() == [token for token in recorded.tolist() if token != model.config.bos_token_id]
