"""What a run leaves on disk is what its engine held when training ended, whoever launched it, and it loads."""

import json
import re
import shutil

import pytest
import torch

from llava_faba.model.weights import PRIOR_FILE, PRIOR_PREFIX, canonical_name, read_weights
from tests.train.runs import difference, flags, losses, train, weights

pytestmark = pytest.mark.slow
LAUNCHED = ["plain", "torchrun", "zero2", "zero3"]
OWN_PARTS = r"(tmp-)?checkpoint-\d+(/global_step\d+)?(/zero_pp_rank_1_.*|/rng_state_1\.pth)?"  # of rank 1


def of_prior(state):
    named = {canonical_name(name): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in named.items() if name.startswith(PRIOR_PREFIX)}


@pytest.mark.parametrize("launcher", LAUNCHED)
def test_saved_weights_equal_the_engines(finished, launcher):
    """Of the prior's projector and of the adapter, on every rank; the prior's stand in two files."""
    run = finished(launcher)
    saved = weights(run.out)
    engines = sorted(run.spy.glob("engine-*.safetensors"))
    assert len(engines) == (1 if launcher == "plain" else 2)
    for engine in map(read_weights, engines):
        held = {name.replace(".default.", "."): tensor for name, tensor in engine.items()}
        assert len(of_prior(held)) == 4 and any("lora_B" in name for name in held)
        assert difference(held, {name: saved[name] for name in held}) == 0
    assert difference(of_prior(read_weights(run.out / PRIOR_FILE)), of_prior(saved)) == 0
    assert difference(of_prior(read_weights(run.out / "non_lora_trainables.bin")), of_prior(saved)) == 0


@pytest.mark.parametrize("launcher", LAUNCHED)
def test_training_moves_the_prior_and_the_adapter(finished, launcher):
    run = finished(launcher)
    early = of_prior(read_weights(run.out / "checkpoint-4" / "non_lora_trainables.safetensors"))
    assert difference(early, of_prior(weights(run.out))) > 1e-5
    assert max(float(w.abs().max()) for name, w in weights(run.out).items() if "lora_B" in name) > 1e-5
    assert losses(run.out)[-1] < losses(run.out)[0]


@pytest.mark.parametrize("launcher", LAUNCHED[1:])
def test_only_the_first_rank_writes(finished, launcher):
    """The others write their own parts of a checkpoint: their generator's state and their shard of the optimiser."""
    run = finished(launcher)
    first, second = ((run.spy / f"writes-{rank}.txt").read_text().splitlines() for rank in (0, 1))
    top = {path.name for path in run.out.iterdir() if path.is_file()}
    assert top <= {re.sub(r"^\.(.+)\.\w+\.partial$", r"\1", name) for name in first}  # the watch sees every writer
    assert any(name.endswith("rng_state_1.pth") for name in second)
    assert [name for name in second if not re.fullmatch(OWN_PARTS, name)] == []


@pytest.mark.parametrize("launcher", LAUNCHED)
def test_the_saved_run_loads_with_the_engines_prior(finished, launcher, tiny_llava):
    import llava_faba

    run = finished(launcher)
    for folder in (run.out, run.out / "checkpoint-8"):
        _, model, _, _ = llava_faba.load(folder, tiny_llava)
        assert difference(of_prior(model.state_dict()), of_prior(weights(run.out))) == 0
        assert model.config.facial_prior_mean is not None


def test_the_run_says_what_is_trained_what_was_written_and_what_next(finished, tiny_llava):
    run = finished("plain")
    assert re.search(r"LoRA adapters +8,704 +0\n", run.output)
    assert re.search(r"facial prior projector +4,672 +0\n", run.output)
    assert re.search(r"vision tower +0 +46,688\n", run.output)
    assert f"written to {run.out}: " in run.output and PRIOR_FILE in run.output
    assert f"next: llava-faba describe --model-path {run.out} --model-base {tiny_llava} --image FACE.jpg" in run.output


def test_several_ranks_say_it_once(finished):
    run = finished("zero2")
    for line in ("facial prior projector ", "written to ", "next: llava-faba describe"):
        assert run.output.count(line) == 1


def test_a_qlora_run_loads_onto_its_unquantised_base(finished, tiny_llava, tmp_path):
    """Its config.json says how the base was held while it trained; by that a float base would be taken for 4 bits."""

    import llava_faba

    run = finished("plain")
    folder = shutil.copytree(run.out, tmp_path / "qlora", ignore=shutil.ignore_patterns("checkpoint-*"))
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "quant_method": "bitsandbytes"}
    (folder / "config.json").write_text(json.dumps(config))
    _, model, _, _ = llava_faba.load(folder, tiny_llava)
    assert difference(of_prior(model.state_dict()), of_prior(weights(run.out))) == 0


def test_a_merged_run_answers_like_the_adapter(finished, tiny_llava, tmp_path):
    import llava_faba
    from llava_faba.model.merge import merge
    from tests.tiny import P, a_prompt

    run = finished("plain")
    merged = merge(run.out, tiny_llava, tmp_path / "merged", dtype="float32")
    ids, pixels = a_prompt(tiny_llava)
    priors = torch.randn(1, P, generator=torch.Generator().manual_seed(1)) * 3 + 50
    models = [llava_faba.load(merged)[1], llava_faba.load(run.out, tiny_llava)[1]]
    with torch.no_grad():
        one, other = (model(ids, images=pixels, facial_priors=priors).logits for model in models)
    assert (one - other).abs().max() < 1e-6


@pytest.mark.parametrize("launcher", ["plain", "zero3"])
def test_full_finetuning_saves_the_prior_in_the_model(finished, launcher, tiny_llava):
    import llava_faba

    run = finished(launcher, lora_enable=False, mm_projector_lr=None, save_strategy="no")
    engine = of_prior(read_weights(run.spy / "engine-0.safetensors"))
    assert difference(engine, of_prior(read_weights(run.out / PRIOR_FILE))) == 0
    assert difference(engine, of_prior(read_weights(run.out / "model.safetensors"))) == 0
    tokenizer, model, _, _ = llava_faba.load(run.out)
    assert difference(engine, of_prior(model.state_dict())) == 0
    original, base, _, _ = llava_faba.load(tiny_llava)
    text = "USER: What emotions are conveyed by this face? ASSISTANT: The face shows happiness.</s>"
    assert tokenizer(text).input_ids == original(text).input_ids
    assert (run.out / "tokenizer.model").read_bytes() == (tiny_llava / "tokenizer.model").read_bytes()
    assert not torch.equal(model.lm_head.weight, base.lm_head.weight)


def test_a_projector_run_trains_both_projectors_and_loads_on_its_base(finished, tiny_llava):
    """--tune_mm_mlp_adapter freezes the rest; LLaVA would freeze the prior's projector too."""
    import llava_faba

    run = finished("plain", lora_enable=False, mm_projector_lr=None, tune_mm_mlp_adapter=True)
    assert re.search(r"facial prior projector +4,672 +0\n", run.output)
    assert re.search(r"visual projector +6,272 +0\n", run.output)
    assert re.search(r"language model +0 +\d", run.output)
    engine = of_prior(read_weights(run.spy / "engine-0.safetensors"))
    for folder in (run.out, run.out / "checkpoint-8"):
        _, model, _, _ = llava_faba.load(folder, tiny_llava)
        assert difference(engine, of_prior(model.state_dict())) == 0


def test_a_frozen_prior_is_saved_and_stays_as_it_was(finished, tiny_llava):
    import llava_faba

    run = finished("plain", tune_facial_prior_projector=False)
    assert re.search(r"facial prior projector +0 +4,672\n", run.output)
    engine = of_prior(read_weights(run.spy / "engine-0.safetensors"))
    assert difference(engine, of_prior(weights(run.out))) == 0
    early = read_weights(run.out / "checkpoint-4" / "non_lora_trainables.safetensors")
    assert difference(engine, of_prior(early)) == 0
    _, model, _, _ = llava_faba.load(run.out, tiny_llava)
    assert difference(engine, of_prior(model.state_dict())) == 0


def test_priors_reach_a_bfloat16_engine_as_float32(finished):
    """DeepSpeed's bf16 casts every float input; coordinates of a face lose what tells expressions apart (traps 7)."""

    run = finished("one rank", deepspeed="scripts/zero2.json", bf16=True, save_strategy="no", max_steps=2)
    engine = of_prior(read_weights(run.spy / "engine-0.safetensors"))
    assert {tensor.dtype for tensor in engine.values()} == {torch.bfloat16}
    seen = json.loads((run.spy / "priors-0.json").read_text())
    assert set(seen["forward"]) == set(seen["prior_tokens"]) == {"torch.float32"} and len(seen["forward"]) >= 2


def test_a_base_whose_path_holds_the_letters_mpt_is_no_mpt_model(tiny_llava, face_data, tmp_path):
    """LLaVA goes by these letters: prompts/llava-v1.5-7b stopped with `no attribute 'attn_config'`."""
    base = shutil.copytree(tiny_llava, tmp_path / "prompts" / tiny_llava.name)
    done = train(flags(base, face_data, tmp_path / "out", max_steps=1))
    assert done.returncode == 0, done.stdout[-3000:]
    assert json.loads((tmp_path / "out" / "adapter_config.json").read_text())["base_model_name_or_path"] == str(base)
    assert (tmp_path / "out" / "non_lora_trainables.bin").is_file()
