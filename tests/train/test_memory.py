"""The estimate of a run's memory: its counts are the model's own, its peaks are those of real training steps."""

import importlib.util
import json
import sys

import pytest
import transformers

from llava_faba.errors import InputError, MissingFileError
from llava_faba.train.memory import Peak, peak, weights
from llava_faba.train.recipe import Recipe, recipe_of_run
from llava_faba.train.shape import ModelShape, VisionShape, shape_from, shape_of
from tests.conftest import REPOSITORY
from tests.tiny import P, prior_model
from tests.train.runs import run

SCRIPT = REPOSITORY / "scripts" / "benchmarks" / "memory.py"
SEVEN = shape_of("liuhaotian/llava-v1.5-7b")
TINY = {"hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 3, "num_attention_heads": 4}


@pytest.fixture(scope="module")
def benchmark():
    """scripts/benchmarks/memory.py as a module."""
    spec = importlib.util.spec_from_file_location("memory_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def count(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_a_folders_shape_counts_the_weights_of_the_loaded_model(tiny_llava):
    model = prior_model(tiny_llava)
    shape, inner = shape_of(str(tiny_llava), prior_size=P), model.get_model()
    counted = {name: n for name, (n, _) in weights(shape, Recipe(lora_enable=False, zero=0))[1].items()}
    assert counted == {
        "language model": count(inner.layers) + count(inner.norm),
        "token embeddings": count(inner.embed_tokens),
        "output head": count(model.lm_head),
        "visual projector": count(inner.mm_projector),
        "facial prior projector": count(inner.facial_prior_projector),
    }
    assert shape.vision.parameters == count(model.get_vision_tower().vision_tower)
    assert shape.image_tokens == model.get_vision_tower().num_patches + 1


def test_known_models_have_the_published_numbers_of_weights():
    """Llama 7B (arXiv 2302.13971, table 2, 6.7B); CLIP ViT-L/14-336's vision model; LoRA of rank 64 on every layer."""
    language = weights(SEVEN, Recipe(lora_enable=False))[1]
    names = ("language model", "token embeddings", "output head")
    assert sum(language[name][0] for name in names) == 6_738_415_616
    assert SEVEN.vision.parameters == 303_507_456 and SEVEN.image_tokens == 576
    assert SEVEN.adapter_weights(64) == 159_907_840


def test_a_prior_of_the_base_model_is_in_its_shape():
    fields = {**TINY, "vocab_size": 300, "facial_prior_hidden_size": 136, "facial_prior_sizes": [100, 36]}
    shape = shape_from(fields)
    assert shape.prior == (136, 128, 128) and shape.prior_tokens == 2


@pytest.mark.parametrize("lora", [True, False], ids=["LoRA", "full"])
def test_the_peak_is_that_of_a_training_step_on_fake_tensors(benchmark, lora):
    case = {"lora_enable": lora, "lora_r": 16, "per_device_train_batch_size": 2, "model_max_length": 128}
    estimate, measured = benchmark.step_fake(case, **TINY, vocab_size=1000)
    assert measured == pytest.approx(estimate.total, rel=benchmark.GOAL)


def test_tensor_bytes_are_what_memtracker_counts(benchmark):
    """torch's own tracker, where it runs: without peft."""
    from torch.distributed._tools.mem_tracker import MemTracker

    case = {"lora_enable": False, "per_device_train_batch_size": 2, "model_max_length": 64, "bf16": True}
    sizes = {**TINY, "num_hidden_layers": 2, "vocab_size": 500}
    ours, torchs = (benchmark.step_fake(case, counter, **sizes)[1] for counter in (None, MemTracker()))
    assert ours == pytest.approx(torchs, rel=0.01)


TRAINED = ["LoRA r=16", "LoRA r=16, batch 8", "LoRA r=16, 512 tokens", "LoRA r=16, no checkpoints", "full"]
TRAINED += ["ZeRO-2, LoRA", "ZeRO-3, full"]


@pytest.mark.slow
def test_the_peaks_are_those_of_the_command_that_users_run(tmp_path):
    """Plain, and under DeepSpeed on two ranks."""
    names = TRAINED if transformers.__version__.startswith("4.") else [*TRAINED, "QLoRA 4 bits", "QLoRA 8 bits"]
    ran = run([sys.executable, SCRIPT, "--only", *names, "--json", tmp_path / "rows.json"])
    assert ran.returncode == 0, ran.stdout[-3000:]
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert {row["name"] for row in rows} == set(names)
    assert {row["name"]: row["ratio"] for row in rows if abs(row["ratio"] - 1) > 0.15} == {}


def parts(**changes) -> dict[str, float]:
    return peak(SEVEN, Recipe(**changes), 800).parts


def test_frozen_weights_have_no_gradients_and_no_optimiser_states():
    """DeepSpeed's own estimate counts them as trained (DeepSpeed#5304): 16 bytes for each of 7 billion weights."""
    lora, full = parts(zero=2), parts(zero=2, lora_enable=False)
    trained = SEVEN.adapter_weights(128) + sum(n * m + m for n, m in ((1024, 4096), (4096, 4096)))
    assert lora["optimiser states"] == 12 * trained  # float32 masters and AdamW's two
    assert lora["optimiser states"] < full["optimiser states"] / 15


def test_zero_2_splits_what_is_trained_and_zero_3_the_weights_too():
    language = "weights: language model"
    one, two, three = parts(zero=2), parts(zero=2, gpus=4), parts(zero=3, gpus=4)
    for name in ("optimiser states", "optimiser step"):
        assert one[name] == 4 * two[name] == 4 * three[name]
    assert one[language] == two[language] == 4 * three[language]
    assert "gathered weights (ZeRO-3)" not in two and three["gathered weights (ZeRO-3)"] > 0.4 * 2**30


def test_quantised_weights_take_their_bits_and_the_embeddings_do_not():
    sixteen, four = parts(zero=0), parts(zero=0, bits=4)
    assert four["weights: language model"] / sixteen["weights: language model"] == pytest.approx(0.258, abs=0.001)
    assert four["weights: token embeddings"] == sixteen["weights: token embeddings"]


def test_the_logits_grow_with_the_vocabulary_and_the_tokens():
    assert parts(per_device_train_batch_size=4)["logits in float32"] == 12 * 4 * 800 * 32000


def test_the_greatest_moment_is_the_total():
    assert Peak({}, {"loss": 3.0, "optimiser step": 5.0}).total == 5.0
    assert Peak({}, {"loss": 3.0, "optimiser step": 5.0}).moment == "optimiser step"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"bits": 4, "zero": 3}, "--bits is 4 under ZeRO-3"),
        ({"bits": 8, "zero": 2, "lora_enable": False}, "--bits is 8 without --lora_enable"),
        ({"bits": 5}, "--bits is 5"),
        ({"per_device_train_batch_size": 0}, "--per_device_train_batch_size is 0"),
        ({"bf16": True, "fp16": True}, "--bf16 and --fp16"),
    ],
)
def test_a_recipe_that_no_run_takes_is_refused(flags, message):
    with pytest.raises(InputError, match=message):
        Recipe(**flags)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="no folder"):
        shape_of(str(tmp_path / "nowhere" / "at" / "all"))
    (tmp_path / "config.json").write_text('{"hidden_size": 8}')
    with pytest.raises(InputError, match="without intermediate_size"):
        shape_of(str(tmp_path))


def test_a_run_under_deepspeed_has_the_stage_and_the_offload_of_its_configuration():
    class Arguments(dict):
        __getattr__ = dict.__getitem__

    class DeepSpeed:
        def get_value(self, key, default=None):
            return {"zero_optimization.stage": 3, "zero_optimization.offload_optimizer.device": "cpu"}.get(key, default)

    names = {"lora_enable": True, "lora_r": 8, "lora_dropout": 0.0, "bits": 16, "per_device_train_batch_size": 2}
    names |= {"model_max_length": 512, "gradient_checkpointing": True, "bf16": True, "fp16": False, "world_size": 4}
    recipe = recipe_of_run(Arguments(tune_mm_mlp_adapter=False), Arguments(**names, hf_deepspeed_config=DeepSpeed()))
    assert (recipe.zero, recipe.gpus, recipe.offload, recipe.lora_r) == (3, 4, True, 8)
    assert "optimiser states" not in peak(SEVEN, recipe, 512).parts


def test_a_model_without_a_vision_tower_has_text_only():
    shape = ModelShape(128, 256, 2, 4, 4, 300)
    assert shape.image_tokens == 0 and peak(shape, Recipe(zero=0), 64).total > 0
    assert VisionShape(32, 64, 3, 112, 14).patches == 64
