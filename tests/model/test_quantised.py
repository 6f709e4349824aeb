"""In 8 and 4 bits every kind of checkpoint answers, its projectors untouched."""

import pytest
import torch

from llava_faba import plugin as host
from llava_faba.errors import InputError
from llava_faba.host.compat import transformers_version
from llava_faba.model.checkpoint import load
from llava_faba.model.merge import merge
from tests.model.released import PRIOR_SIZE, Released
from tests.tiny import a_prompt

bitsandbytes = pytest.importorskip("bitsandbytes")
on_cpu = pytest.mark.skipif(
    transformers_version() < (5, 0, 0) and not torch.cuda.is_available(),
    reason="transformers 4.37.2 quantises on CUDA only",
)
BITS = pytest.mark.parametrize("bits", [8, 4])


@pytest.fixture(scope="module")
def checkpoints(tiny_llava, tmp_path_factory):
    """Kind -> (folder, base)."""
    released = Released(tiny_llava, tmp_path_factory.mktemp("quantised"))
    vicuna, llava = released.vicuna(), released.llava()
    lora = released.lora("emola-lora", emola=True)
    merged = merge(lora, llava, released.root / "merged")
    return {
        "plain": (llava, None),
        "EmoLA, whole": (released.emola(), None),
        "lora": (lora, llava),
        "lora on vicuna": (released.lora(), vicuna),
        "merged": (merged, None),
    }


def logits(model, base):
    ids, pixels = a_prompt(base)
    has_prior = model.config.facial_prior_tower
    priors = {"facial_priors": torch.linspace(-1, 1, PRIOR_SIZE)[None]} if has_prior else {}
    with torch.no_grad():
        return model(ids.to(model.device), images=pixels.to(model.device), **priors).logits.float().cpu()


@on_cpu
@BITS
@pytest.mark.parametrize("kind", ["plain", "EmoLA, whole", "lora", "lora on vicuna", "merged"])
def test_every_kind_answers_with_untouched_projectors(checkpoints, tiny_llava, kind, bits):
    folder, base = checkpoints[kind]
    whole = load(folder, base)[1]
    quantised = load(folder, base, **{f"load_{bits}bit": True})[1]
    exact, rough = logits(whole, tiny_llava), logits(quantised, tiny_llava)
    assert rough.isfinite().all() and not torch.equal(exact, rough)
    assert (exact - rough).norm() < 0.35 * exact.norm()  # an adapter that were lost would double the difference
    layer = quantised.get_model().layers[0].self_attn.q_proj
    layer = getattr(layer, "base_layer", layer)
    assert isinstance(layer, bitsandbytes.nn.Linear8bitLt if bits == 8 else bitsandbytes.nn.Linear4bit)
    assert layer.weight.dtype in (torch.int8, torch.uint8)
    kept = {name: w for name, w in quantised.state_dict().items() if "projector" in name and "lora" not in name}
    expected = whole.state_dict()
    assert len(kept) == (8 if whole.config.facial_prior_tower else 4)
    assert all(torch.equal(w, expected[name].to(w.dtype)) for name, w in kept.items())


@on_cpu
@BITS
def test_an_adapter_stays_beside_quantised_weights_and_counts(checkpoints, tiny_llava, bits):
    """Merged into them its numbers would be rounded to the few values that are left, in 8 bits to none."""
    folder, base = checkpoints["lora on vicuna"]
    plain, _ = checkpoints["plain"]
    adapted = logits(load(folder, base, **{f"load_{bits}bit": True})[1], tiny_llava)
    without = logits(load(plain, **{f"load_{bits}bit": True})[1], tiny_llava)
    exact = logits(load(folder, base)[1], tiny_llava)
    assert (adapted - exact).norm() < 0.5 * (without - exact).norm()


@on_cpu
@BITS
def test_llavas_own_loader_quantises_after_attach(checkpoints, tiny_llava, bits):
    attachment = host.attach()
    try:
        from llava.model.builder import load_pretrained_model

        folder, base = checkpoints["plain"][0], None
        wanted = {f"load_{bits}bit": True}
        model = load_pretrained_model(str(folder), base, "llava-v1.5-7b", **wanted)[1]
    finally:
        attachment.detach()
    assert logits(model, tiny_llava).isfinite().all()


def test_both_at_once_are_refused(checkpoints):
    with pytest.raises(InputError, match="8 and in 4 bits"):
        load(checkpoints["plain"][0], load_8bit=True, load_4bit=True)


def test_an_old_transformers_says_what_it_cannot(checkpoints, monkeypatch):
    monkeypatch.setattr("llava_faba.model.placing.transformers_version", lambda: (4, 37, 2))
    with pytest.raises(InputError, match=r"on a CPU, with transformers 4\.37\.2.*5\.4 or newer"):
        load(checkpoints["plain"][0], load_4bit=True, device="cpu")


def test_without_bitsandbytes_the_error_names_it(checkpoints, monkeypatch):
    monkeypatch.setattr("llava_faba.model.placing.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install bitsandbytes"):
        load(checkpoints["plain"][0], load_4bit=True)
