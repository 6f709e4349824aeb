"""A run that watches itself trains the same weights, keeps its best model, and scores it as the commands do."""

import json
import random
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from llava_faba import cli
from llava_faba.errors import InputError
from llava_faba.train.answering import answering, refuse_if_whole_is_too_large
from llava_faba.train.curve import draw_curve
from llava_faba.train.validation import LARGEST_SHARE, Validation
from tests.tiny import prior_model
from tests.train.runs import difference, flags, losses, train, weights


def a_score(value, task="emotion"):
    numbers = {"s_re": 1.0, "s_ge": 2.0, "rege": value}
    return {"task": task, "n": 5, **numbers, "ci95": {name: [0.0, 9.0] for name in numbers}}


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """scripted(REGE of each validation, **flags) -> (the steps of validation, its object, what was kept and logged)."""

    from llava_faba.train.arguments import FabaDataArguments

    def make(values, max_steps=100, **changes):
        kept, logged, left = [], [], iter(values)
        trainer = SimpleNamespace(
            keep_model=lambda name: kept.append(state.global_step),
            discard_model=lambda name: None,
            log=lambda logs: logged.append(logs),
            run_inputs=SimpleNamespace(prior=None),
            model=torch.nn.Linear(1, 1),
        )
        flags = FabaDataArguments(**changes)
        faces = SimpleNamespace(
            args=flags, metric=flags.validation_metric, samples={"emotion": []}, write=lambda *_: None
        )
        watch = Validation(trainer, faces)
        monkeypatch.setattr(watch, "_answers", lambda args: [])
        monkeypatch.setattr("llava_faba.train.validation.score_lines", lambda lines: a_score(next(left)))
        args = SimpleNamespace(output_dir=str(tmp_path), should_save=True)
        state = SimpleNamespace(global_step=0, epoch=0.0, max_steps=max_steps)
        control = SimpleNamespace(should_training_stop=False, should_log=True)
        watch.on_train_begin(args, state, control)
        while state.global_step < max_steps and not control.should_training_stop:
            state.global_step += 1
            watch.on_step_end(args, state, control)
        watch.on_train_end(args, state, control)
        assert control.should_log  # the step's own loss is still to be logged
        return [point["step"] for point in watch._curve], watch, kept, logged

    return make


def test_it_validates_at_the_steps_that_are_asked_for_and_at_the_end(scripted):
    steps, watch, kept, logged = scripted([1.0, 3.0, 3.0, 2.0], max_steps=10, validation_steps=3)
    assert steps == [3, 6, 9, 10]
    assert kept == [3, 6] and watch._best["step"] == 6  # of equals the first stays
    assert logged[1] == {"eval_emotion_rege": 3.0, "eval_emotion_s_re": 1.0, "eval_emotion_s_ge": 2.0}


def test_it_stops_when_so_many_validations_were_not_better(scripted):
    steps, watch, _, _ = scripted([1.0, 3.0, 2.0, 3.0, 9.0], validation_steps=5, validation_patience=2)
    assert steps == [5, 10, 15, 20] and watch._best["step"] == 10


def test_a_task_without_references_counts_by_what_is_recognised(scripted):
    _, watch, _, logged = scripted([None], max_steps=3, validation_steps=5)
    assert watch._best["value"] == 1.0 and "eval_emotion_rege" not in logged[0]


@pytest.mark.parametrize(("seconds", "expected"), [(0.01, list(range(10, 101, 10))), (3.0, [10, 100])])
def test_it_takes_no_more_than_its_share_of_the_time_by_default(scripted, monkeypatch, seconds, expected):
    """A step takes a second; ten validations of 3 s would be 23 % of the run: one is taken, and the one at the end."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("llava_faba.train.validation.time.monotonic", lambda: clock.now)
    monkeypatch.setattr(
        "llava_faba.train.validation.of_first_rank", lambda value: setattr(clock, "now", clock.now + 1) or value
    )
    monkeypatch.setattr(Validation, "_log", lambda *_: setattr(clock, "now", clock.now + seconds))
    steps, watch, _, _ = scripted([1.0] * 20)
    assert steps == expected
    assert seconds == 3.0 or sum(watch._seconds) < LARGEST_SHARE * clock.now


def test_a_model_that_answered_goes_on_as_it_was(tiny_llava):
    """Modes module by module, random states, the switch of the KV cache, and the weights."""
    model = prior_model(tiny_llava)
    model.train()
    model.get_vision_tower().eval()
    model.config.use_cache = False
    modes = {name: module.training for name, module in model.named_modules()}
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    args = SimpleNamespace(deepspeed=None, bf16=False, fp16=False)
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    expected = (random.random(), np.random.rand(), torch.rand(1).item())
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    with answering(model, args) as whole:
        assert not any(module.training for module in whole.modules())
        random.random(), np.random.rand(), torch.rand(9)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert model.config.use_cache is False
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_a_split_model_that_fits_no_gpu_whole_is_refused(monkeypatch):
    """No GPU is needed to see it: what torch says of one is set."""
    model = torch.nn.Linear(1, 1, bias=False)
    refuse_if_whole_is_too_large(model)
    model.weight.ds_numel = 2**30  # 4 GiB in float32
    refuse_if_whole_is_too_large(model)  # a CPU's memory is not asked
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("memory_reserved", "memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (5 * 2**30, 8 * 2**30))
    refuse_if_whole_is_too_large(model)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (3 * 2**30, 8 * 2**30))
    with pytest.raises(InputError, match=r"takes 4\.0 GiB whole, and a GPU has 3\.0 GiB free"):
        refuse_if_whole_is_too_large(model)


def test_the_curve_is_drawn_with_a_panel_a_task_and_without_what_is_undefined():
    import io

    from PIL import Image

    scores = [a_score(3.0), {**a_score(None, "au"), "ci95": {name: [None, None] for name in ("s_re", "s_ge", "rege")}}]
    picture = Image.open(io.BytesIO(draw_curve([{"step": 3, "scores": scores}, {"step": 6, "scores": scores}], 6)))
    assert picture.format == "PNG" and picture.width > 2 * picture.height


WATCHED = {"lora_dropout": 0.1, "facial_prior_dropout": 0.1, "save_total_limit": 1}  # dropout draws from the generator


def watched(validation_files, **more):
    limits = {"validation_steps": 3, "validation_max_new_tokens": 12, **more}
    return {"validation": validation_files, **limits, **WATCHED}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["plain", "torchrun", "zero2", "zero3"])
def test_a_watched_run_trains_the_same_weights_and_its_best_scores_the_same_again(
    finished, validation_files, tmp_path, launcher
):
    """Bit for bit, on all ranks; each face is answered once, and `describe` and `score` give the curve's number."""
    stock, run = finished(launcher, **WATCHED), finished(launcher, **watched(validation_files))
    assert difference(weights(run.out), weights(stock.out)) == 0
    assert losses(run.out) == losses(stock.out) and len(losses(run.out)) == 8
    record = json.loads((run.out / "run.json").read_text())["validation"]
    assert [point["step"] for point in record["curve"]] == [3, 6, 8]
    assert record["faces"] == {"emotion": {"drawn": 5, "of": 5}, "au": {"drawn": 5, "of": 5}}
    assert 0 < record["share"] < 1 and (run.out / "validation.png").stat().st_size > 1000
    best = next(point for point in record["curve"] if point["step"] == record["best"]["step"])
    assert best["value"] == max(point["value"] for point in record["curve"])
    logged = json.loads((run.out / "trainer_state.json").read_text())["log_history"]
    assert [entry["step"] for entry in logged if "eval_au_rege" in entry] == [3, 6, 8]
    assert sorted(path.name for path in run.out.glob("checkpoint-*")) == ["checkpoint-8", "checkpoint-best"]
    kept = [json.loads(line) for line in (run.out / "validation" / f"step-{best['step']}.jsonl").open()]
    assert len({(line["task"], line["id"]) for line in kept}) == len(kept) == 10
    for score in best["scores"]:
        data, answers = run.out / "validation" / f"{score['task']}.json", tmp_path / f"{score['task']}.jsonl"
        words = ["describe", "--model-path", run.out / "checkpoint-best", "--data", data, "--task", score["task"]]
        words += ["--image-root", validation_files[0].parent, "--out", answers, "--max-new-tokens", 12]
        assert cli.main([str(word) for word in [*words, "--device", "cpu"]]) == 0
        assert cli.main(["score", str(answers), "--json", str(tmp_path / "score.json")]) == 0
        (again,) = json.loads((tmp_path / "score.json").read_text())
        assert {name: again[name] for name in ("s_re", "s_ge", "rege")} == {
            name: score[name] for name in ("s_re", "s_ge", "rege")
        }
        assert again["ci95"]["rege"] == score["ci95"]["rege"]


@pytest.mark.slow
def test_a_resumed_run_goes_on_with_its_curve_and_its_best(finished, validation_files, tiny_llava, face_data, tmp_path):
    run = finished("plain", **watched(validation_files))
    whole = json.loads((run.out / "run.json").read_text())["validation"]
    out = tmp_path / "out"
    changes = {**run.changes, "save_total_limit": 3}
    first = train(flags(tiny_llava, face_data, out, **changes))
    assert first.returncode == 0, first.stdout[-3000:]
    shutil.rmtree(out / "checkpoint-8")
    record = json.loads((out / "run.json").read_text())
    record["validation"]["curve"] = record["validation"]["curve"][:1]
    (out / "run.json").write_text(json.dumps(record))
    ran = train(flags(tiny_llava, face_data, out, **changes))
    assert ran.returncode == 0 and "resuming from" in ran.stdout, ran.stdout[-3000:]
    again = json.loads((out / "run.json").read_text())["validation"]
    assert [(point["step"], point["scores"]) for point in again["curve"]] == [
        (point["step"], point["scores"]) for point in whole["curve"]
    ]
    assert again["best"] == whole["best"] and difference(weights(out), weights(run.out)) == 0
