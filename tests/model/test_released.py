"""Every layout that people have on disk or on the hub loads, merges and answers, or is refused by name."""

import json
import shutil

import pytest
import torch

from llava_faba import cli
from llava_faba import plugin as host
from llava_faba.errors import InputError, MissingFileError
from llava_faba.model.checkpoint import load
from llava_faba.model.classify import classify
from tests.model.released import PRIOR_SIZE, Released
from tests.tiny import a_prompt


@pytest.fixture(scope="module")
def released(tiny_llava, tmp_path_factory):
    return Released(tiny_llava, tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="module")
def layouts(released):
    """Name of a layout -> (its folder, its base or None, the weights that the loaded model must have)."""
    plain = {name: w.float() for name, w in released.weights.items()}
    prior = {f"model.facial_prior_projector.{key}": w.float() for key, w in released.prior.items()}
    vicuna, llava, emola = released.vicuna(), released.llava(), released.emola()
    return {
        "llava-v1.5-7b": (llava, None, plain),
        "safetensors, one file": (released.llava("llava-one", "safetensors"), None, plain),
        "safetensors, shards": (released.llava("llava-shards", "shards"), None, plain),
        "finetune.sh": (released.finetuned(), None, plain),
        "projector on vicuna": (released.pretrained_projector(), vicuna, plain),
        "lora on vicuna": (released.lora(), vicuna, released.adapted()),
        "lora on llava": (released.lora("task-lora", "liuhaotian/llava-v1.5-7b"), llava, released.adapted()),
        "EmoLA, whole": (emola, None, {**plain, **prior}),
        "EmoLA, whole, safetensors": (released.emola("emola-safe", "shards"), None, {**plain, **prior}),
        "EmoLA, lora": (released.lora("llava-emola-lora", emola=True), llava, {**released.adapted(), **prior}),
        "lora on EmoLA": (
            released.lora("llava-emola-on-emola-lora", emola=True),
            emola,
            {**released.adapted(), **prior},
        ),
    }


NAMES = [
    *("llava-v1.5-7b", "safetensors, one file", "safetensors, shards", "finetune.sh", "projector on vicuna"),
    *("lora on vicuna", "lora on llava", "EmoLA, whole", "EmoLA, whole, safetensors", "EmoLA, lora", "lora on EmoLA"),
]


@pytest.fixture(params=["ours", "LLaVA's"])
def load_model(request):
    """Our loader, and LLaVA's own with llava-faba attached."""
    if request.param == "ours":
        yield lambda folder, base, **keywords: load(folder, base, device="cpu", **keywords)[1]
        return
    attachment = host.attach()
    from llava.model.builder import load_pretrained_model

    def llavas(folder, base, dtype=None, **keywords):
        named = {"torch_dtype": dtype} if dtype else {}
        return load_pretrained_model(str(folder), base and str(base), folder.name, device="cpu", **named, **keywords)[1]

    yield llavas
    attachment.detach()


def stored_in(model):
    return {name: w for name, w in model.state_dict().items() if "vision_tower" not in name}


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_of_a_release_arrives(layouts, load_model, name):
    folder, base, expected = layouts[name]
    loaded = stored_in(load_model(folder, base))
    assert loaded.keys() == expected.keys()
    for key, weight in expected.items():
        torch.testing.assert_close(loaded[key], weight, atol=1e-6, rtol=0, msg=key)


def test_a_release_answers_as_stock_llava_does(released, layouts, tiny_llava, load_model):
    """Stock LLaVA's class with the released weights put in by hand."""
    from llava.model.language_model.llava_llama import LlavaLlamaForCausalLM

    stock = LlavaLlamaForCausalLM.from_pretrained(tiny_llava).eval()
    stock.load_state_dict({name: w.float() for name, w in released.weights.items()})
    stock.get_vision_tower().load_model()
    ids, pixels = a_prompt(tiny_llava)
    model = load_model(layouts["llava-v1.5-7b"][0], None)
    with torch.no_grad():
        assert torch.equal(model(ids, images=pixels).logits, stock(ids, images=pixels).logits)


@pytest.mark.parametrize("name", NAMES)
def test_a_release_is_merged_and_comes_back(layouts, tmp_path, name):
    folder, base, expected = layouts[name]
    arguments = ["merge", "--model-path", folder, "--out", tmp_path / "out", "--dtype", "float32"]
    assert cli.main([str(part) for part in arguments + (["--model-base", base] if base else [])]) == 0
    loaded = stored_in(load(tmp_path / "out", device="cpu")[1])
    assert loaded.keys() == expected.keys()
    for key, weight in expected.items():
        torch.testing.assert_close(loaded[key], weight, atol=1e-6, rtol=0, msg=key)


def test_merging_keeps_the_numbers_of_the_base(layouts, tmp_path):
    folder, base, _ = layouts["lora on vicuna"]
    arguments = ["merge", "--model-path", folder, "--model-base", base, "--out", tmp_path / "out"]
    assert cli.main([str(part) for part in arguments]) == 0
    from safetensors.torch import load_file

    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert {w.dtype for w in stored.values()} == {torch.float16}
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["model_type"] == "llava_llama" and config["architectures"] == ["LlavaLlamaForCausalLM"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_answers_on_a_cpu(layouts, tiny_llava, load_model, dtype):
    model = load_model(layouts["EmoLA, whole"][0], None, dtype=getattr(torch, dtype))
    ids, pixels = a_prompt(tiny_llava)
    with torch.no_grad():
        logits = model(ids, images=pixels, facial_priors=torch.randn(1, PRIOR_SIZE)).logits
    assert model.dtype is getattr(torch, dtype) and logits.isfinite().all()


@pytest.mark.parametrize("name", ["llava-v1.5-7b", "lora on vicuna"])
def test_describe_answers_with_a_release(layouts, tmp_path, name):
    from PIL import Image

    folder, base, _ = layouts[name]
    Image.new("RGB", (128, 128), "grey").save(tmp_path / "face.png")
    arguments = ["describe", "--model-path", folder, "--image", tmp_path / "face.png", "--max-new-tokens", 4]
    arguments += ["--json", tmp_path / "out.json", "--device", "cpu", *(["--model-base", base] if base else [])]
    assert cli.main([str(part) for part in arguments]) == 0
    assert json.loads((tmp_path / "out.json").read_text())[0]["answers"]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda r: r.llava_hf(), r"llava-hf.*text_config.*liuhaotian/llava-v1\.5-7b"),
        (lambda r: r.any_resolution(), r"several tiles.*liuhaotian/llava-v1\.5-7b"),
        (lambda r: r.other("llava_mistral", "llava-v1.6-mistral-7b"), r"Mistral.*liuhaotian/llava-v1\.5-7b"),
        (lambda r: r.other("llava_mpt", "llava-mpt-7b"), r"MPT.*liuhaotian/llava-v1\.5-7b"),
        (lambda r: r.vicuna("vicuna-13b-v1.5"), r"plain language model.*--model-base"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_what_to_take(tiny_llava, tmp_path, make, message, capsys):
    folder = make(Released(tiny_llava, tmp_path))
    with pytest.raises(InputError, match=message):
        load(folder)
    assert cli.main(["merge", "--model-path", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "error: " in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_training_refuses_transformers_own_llava(released, tmp_path, tiny_llava):
    """Both say `model_type: llava`; by its names every weight would be fresh."""
    from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM

    with pytest.raises(InputError, match="llava-hf"):
        FabaLlavaLlamaForCausalLM.from_pretrained(Released(tiny_llava, tmp_path).llava_hf())


def test_vicunas_sampling_is_reset_not_switched_on(layouts):
    folder, base, _ = layouts["lora on vicuna"]
    generation = load(folder, base)[1].generation_config
    assert not generation.do_sample and generation.temperature in (None, 1.0) and generation.top_p in (None, 1.0)


def remove_index(folder):
    (folder / "pytorch_model.bin.index.json").unlink()


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage, error, message",
    [
        (
            lambda f: (f / "pytorch_model-00002-of-00002.bin").unlink(),
            MissingFileError,
            r"00002-of-00002\.bin of 2 fil",
        ),
        (remove_index, MissingFileError, "no index.json"),
        (lambda f: cut(f / "pytorch_model-00001-of-00002.bin"), InputError, r"00001-of-00002\.bin cannot be read"),
        (lambda f: (f / "config.json").unlink(), MissingFileError, r"no config\.json"),
        (
            lambda f: (f / "pytorch_model-00001-of-00002.bin").write_text("version https://git-lfs.github.com/spec/v1"),
            InputError,
            "git-lfs",
        ),
        (lambda f: (f / "pytorch_model.bin.index.json").write_text("{}"), InputError, "has no weight_map"),
    ],
)
@pytest.mark.trust
def test_a_half_downloaded_model_is_refused_by_file(layouts, tmp_path, damage, error, message):
    folder = shutil.copytree(layouts["llava-v1.5-7b"][0], tmp_path / "llava")
    damage(folder)
    with pytest.raises(error, match=message):
        load(folder)


def test_an_adapter_of_another_width_is_refused_before_weights_are_loaded(layouts, tiny_llava, tmp_path):
    from llava_faba.model.tiny import TinySize, make_tiny_llava
    from tests.tiny import TEXTS

    wide = make_tiny_llava(tmp_path / "wide", TEXTS, size=TinySize(hidden=96))
    with pytest.raises(InputError, match=r"--model-base|base model"):
        load(layouts["lora on llava"][0], wide)


def test_each_kind_is_recognised(layouts):
    kinds = {name: classify(folder).kind for name, (folder, _, _) in layouts.items()}
    assert kinds["llava-v1.5-7b"] == kinds["EmoLA, whole"] == kinds["finetune.sh"] == "whole"
    assert kinds["projector on vicuna"] == "projector" and kinds["lora on vicuna"] == "lora"
    assert classify(layouts["lora on vicuna"][1]).kind == "language"
