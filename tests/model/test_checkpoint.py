"""What is saved comes back, by our loader and by LLaVA's; what is missing, extra or hostile is refused by name."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from llava_faba import cli
from llava_faba import plugin as host
from llava_faba.errors import InputError, MissingFileError
from llava_faba.model.checkpoint import load
from llava_faba.model.tokenizer import load_tokenizer
from tests.conftest import REPOSITORY
from tests.tiny import P, a_prompt, prior_model


def save_lora(base, folder, **fields):
    """A LoRA checkpoint as LLaVA's train() writes it, with weights that differ from their start."""
    from peft import LoraConfig, get_peft_model

    model = prior_model(base, seed=5, **fields)
    tower = model.get_model().__dict__["_modules"].pop("vision_tower")
    peft_model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"]))
    model.get_model().vision_tower = tower
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name or "projector" in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.02)
    model.config.save_pretrained(folder)
    peft_model.save_pretrained(folder, save_embedding_layers=False)
    others = {name: p.detach() for name, p in peft_model.named_parameters() if "projector" in name}
    torch.save(others, folder / "non_lora_trainables.bin")
    return peft_model.merge_and_unload()


@pytest.fixture(scope="module")
def lora(tiny_llava, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora") / "llava-v1.5-tiny-faba-lora"
    folder.mkdir()
    return folder, save_lora(tiny_llava, folder)


@pytest.fixture
def copied(lora, tmp_path):
    return shutil.copytree(lora[0], tmp_path / "llava-v1.5-tiny-faba-lora")


def logits(model, base):
    ids, pixels = a_prompt(base)
    with torch.no_grad():
        return model(ids, images=pixels, facial_priors=torch.linspace(-1, 1, P)[None]).logits


@pytest.fixture(params=["ours", "LLaVA's"])
def load_model(request):
    """Our loader, and LLaVA's own with llava-faba attached; (folder, base) -> model."""
    if request.param == "ours":
        yield lambda folder, base=None: load(folder, base)[1]
        return
    attachment = host.attach()
    from llava.model.builder import load_pretrained_model

    yield lambda folder, base=None: load_pretrained_model(str(folder), base and str(base), folder.name, device="cpu")[1]
    attachment.detach()


def test_a_lora_checkpoint_comes_back(lora, tiny_llava, load_model):
    folder, saved = lora
    model = load_model(folder, tiny_llava)
    for name, weight in saved.get_model().facial_prior_projector.state_dict().items():
        assert torch.equal(model.get_model().facial_prior_projector.state_dict()[name], weight)
    torch.testing.assert_close(logits(model, tiny_llava), logits(saved, tiny_llava), atol=1e-5, rtol=0)


def test_a_merged_checkpoint_answers_as_the_adapter_does(lora, tiny_llava, tmp_path):
    folder, saved = lora
    out = tmp_path / "llava-v1.5-tiny-faba"
    arguments = ["merge", "--model-path", str(folder), "--model-base", str(tiny_llava), "--out", str(out)]
    assert cli.main(arguments) == 0
    tokenizer, model, _, context = load(out)
    torch.testing.assert_close(logits(model, tiny_llava), logits(saved, tiny_llava), atol=1e-5, rtol=0)
    assert context == 2048
    assert tokenizer("USER: hello </s>").input_ids == load_tokenizer(tiny_llava)("USER: hello </s>").input_ids
    stored = {name for file in out.glob("*.safetensors") for name in load_file(file)}
    assert "model.facial_prior_projector.0.weight" in stored
    assert not any("vision_tower" in name or "lora" in name for name in stored)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]  # no partial folder left
    assert cli.main(arguments) == 2  # never over something


def test_a_merged_checkpoint_comes_back(lora, tiny_llava, tmp_path, load_model):
    folder, saved = lora
    arguments = ["merge", "--model-path", folder, "--model-base", tiny_llava, "--out", tmp_path / "m"]
    assert cli.main([str(part) for part in arguments]) == 0
    model = load_model(tmp_path / "m")
    assert torch.equal(
        model.get_model().facial_prior_projector.state_dict()["0.weight"],
        saved.get_model().facial_prior_projector.state_dict()["0.weight"],
    )
    torch.testing.assert_close(logits(model, tiny_llava), logits(saved, tiny_llava), atol=1e-5, rtol=0)


def test_a_full_checkpoint_comes_back(tiny_llava, tmp_path, load_model):
    saved = prior_model(tiny_llava, facial_prior_mean=[0.5] * P, facial_prior_std=[2.0] * P)
    saved.save_pretrained(tmp_path / "full")
    for file in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(tiny_llava / file, tmp_path / "full")
    model = load_model(tmp_path / "full")
    assert model.config.facial_prior_mean == [0.5] * P
    torch.testing.assert_close(logits(model, tiny_llava), logits(saved, tiny_llava), atol=1e-5, rtol=0)


def test_loading_a_whole_model_warns_of_nothing(tiny_llava, tmp_path):
    """It holds the vision tower's weights too, which LLaVA loads from elsewhere: no list of unexpected names."""
    prior_model(tiny_llava).save_pretrained(tmp_path / "full")
    load_tokenizer(tiny_llava).save_pretrained(tmp_path / "full")
    ran = subprocess.run(
        [sys.executable, "-c", f"import llava_faba; llava_faba.load({str(tmp_path / 'full')!r})"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    said = [line for line in ran.stderr.split("\n") if line and "Loading weights" not in line]  # a progress bar of 5.x
    assert ran.returncode == 0 and said == [], ran.stderr


def test_plain_llava_loads_as_stock_llava(tiny_llava):
    from llava.model.language_model.llava_llama import LlavaLlamaForCausalLM

    theirs = LlavaLlamaForCausalLM.from_pretrained(tiny_llava).eval()
    theirs.get_vision_tower().load_model()
    ours = load(tiny_llava)[1]
    ids, pixels = a_prompt(tiny_llava)
    with torch.no_grad():
        assert torch.equal(ours(ids, images=pixels).logits, theirs(ids, images=pixels).logits)


def break_config(folder, **fields):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))


def change_trainables(folder, change):
    state = torch.load(folder / "non_lora_trainables.bin")
    change(state)
    torch.save(state, folder / "non_lora_trainables.bin")


KEY = "base_model.model.model.facial_prior_projector.0.weight"


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda f: change_trainables(f, lambda s: s.pop(KEY)), r"facial_prior_projector\.0\.weight is missing"),
        (
            lambda f: change_trainables(f, lambda s: s.update({KEY: torch.zeros(3, 3)})),
            r"facial_prior_projector\.0\.weight has the shape \(3, 3\), expected \(64, 7\)",
        ),
        (
            lambda f: change_trainables(f, lambda s: s.update({KEY.replace(".0.", ".9."): torch.zeros(1)})),
            r"facial_prior_projector\.9\.weight is there and not expected",
        ),
        (lambda f: (f / "non_lora_trainables.bin").unlink(), r"facial_prior_projector\.0\.bias is missing"),
        (lambda f: break_config(f, facial_prior_tower=None), "is there and not expected"),
        (lambda f: break_config(f, facial_prior_hidden_size=0), "facial_prior_hidden_size is 0"),
        (lambda f: break_config(f, facial_prior_mean=[0.0]), "facial_prior_mean holds 1 numbers"),
        (lambda f: break_config(f, model_type="bert"), "is not a LLaVA's"),
        (lambda f: (f / "config.json").unlink(), r"no config\.json"),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "has no weights"),
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"junk"), "cannot be read as tensors"),
        (lambda f: (f / "config.json").write_text("{"), r"config\.json is not JSON"),
    ],
)
def test_a_damaged_checkpoint_is_refused_by_name(copied, tiny_llava, damage, message):
    damage(copied)
    with pytest.raises(InputError, match=message):
        load(copied, tiny_llava)


def test_an_adapter_without_its_base_names_the_flag(copied):
    config = json.loads((copied / "adapter_config.json").read_text())
    (copied / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "liuhaotian/x"}))
    with pytest.raises(InputError, match=r"adapter of liuhaotian/x.*--model-base"):
        load(copied)


def test_a_missing_model_folder_is_said(tmp_path):
    with pytest.raises(MissingFileError, match="is no model folder"):
        load(tmp_path / "nowhere")


def test_a_full_checkpoint_without_its_projector_is_refused_by_name(tiny_llava, tmp_path):
    prior_model(tiny_llava).save_pretrained(tmp_path / "full")
    file = tmp_path / "full" / "model.safetensors"
    state = {name: tensor for name, tensor in load_file(file).items() if "facial_prior" not in name}
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"facial_prior_projector\.0\.weight is missing"):
        load(tmp_path / "full")


class RunsWhenUnpickled:
    """What a hostile checkpoint does."""

    def __reduce__(self):
        return os.system, ("touch hostile-pickle-ran",)


@pytest.mark.trust
@pytest.mark.parametrize("name", ["non_lora_trainables.bin", "adapter_model.bin", "pytorch_model.bin"])
def test_a_pickle_that_holds_code_is_refused_and_not_run(copied, tiny_llava, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    if name == "adapter_model.bin":
        (copied / "adapter_model.safetensors").unlink()
    if name == "pytorch_model.bin":
        (copied / "adapter_config.json").unlink()
    torch.save({"model.weight": RunsWhenUnpickled()}, copied / name)
    with pytest.raises(InputError, match=rf"{name} cannot be read as tensors"):
        load(copied, tiny_llava)
    assert not (tmp_path / "hostile-pickle-ran").exists()


def test_a_wrong_dtype_is_refused(tiny_llava):
    with pytest.raises(InputError, match="float32, float16 or bfloat16"):
        load(tiny_llava, dtype="int8")


def test_a_tiny_models_vision_tower_has_the_names_that_both_transformers_read(tiny_llava):
    names = load_file(tiny_llava / "clip" / "model.safetensors")
    assert names and all(name.startswith("vision_model.") for name in names)
    tower = load(tiny_llava)[1].get_vision_tower().vision_tower
    loaded = {f"vision_model.{name.removeprefix('vision_model.')}": w for name, w in tower.state_dict().items()}
    assert all(torch.equal(loaded[name], weight) for name, weight in names.items())
