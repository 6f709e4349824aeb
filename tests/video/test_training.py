"""Training on clips as a user starts it: LLaVA's flags, a tiny base, a handful of clips."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from llava_faba.files import write_json
from tests.motion.clip_files import a_face, write_clip
from tests.train.runs import flags, lines, losses, train
from tests.train.runs import run as command
from tests.video.feqa import CLIP_FIELDS
from tests.video.released import write_released

MODULE = "llava_faba.video.train"
SEVERITY_FILE = "severity.safetensors"
OFF = {"facial_prior_tower": None, "facial_prior_hidden_size": None, "facial_prior_normalisation": None}


def make_clips(folder: Path, clips: int = 8) -> Path:
    """Short clips of one face that is moved and lit differently, of four patients, with a training and another file."""
    random = np.random.default_rng(0)
    samples = []
    for number in range(clips):
        light, shift = random.uniform(0.7, 1.2), int(random.integers(-20, 20))
        frames = [np.roll((a_face() * light).clip(0, 255).astype(np.uint8), shift + step, 1) for step in range(4)]
        write_clip(folder / "clips" / f"{number}.mp4", frames)
        report = ["The corners of the mouth rise.", "The brows hardly move."][number % 2]
        turns = [("human", "<image>\nDescribe how the face moves."), ("gpt", report)]
        samples.append({"id": str(number), "video": f"{number}.mp4", "expression": ["smile", "frown"][number % 2]})
        samples[-1] |= {"score": number % 5, "patient": f"p{number // 2}"}
        samples[-1]["conversations"] = [{"from": who, "value": text} for who, text in turns]
    write_json(folder / "validation.json", samples[-2:])
    return write_json(folder / "clips" / "train.json", samples[:-2])


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "clips").mkdir()
    return make_clips(folder)


def run(base: Path, data: Path, out: Path, **changes) -> Path:
    """Train for a few steps; return the output folder."""
    done = train(flags(base, data, out, **{**OFF, **CLIP_FIELDS, "max_steps": 6, **changes}), module=MODULE)
    assert done.returncode == 0, done.stdout[-3000:]
    return out


@pytest.mark.slow
def test_a_joint_run_ends_with_the_severity_path_of_a_regression_only_run(tiny_llava, data, tmp_path):
    """20 steps over seven epochs, through LLaVA's train(), LoRA dropout on, gradients clipped low."""
    common = {"max_steps": 20, "max_grad_norm": 0.05, "lora_dropout": 0.2, "motion_dropout": 0.1}
    validation = {"validation_path": data.parents[1] / "validation.json"}
    joint = run(tiny_llava, data, tmp_path / "joint", **common, **validation)
    alone = run(tiny_llava, data, tmp_path / "alone", **common, feqa_objective="severity")
    a, b = load_file(joint / "severity.safetensors"), load_file(alone / "severity.safetensors")
    assert a.keys() == b.keys()
    path = [name for name in a if name.startswith("model.severity_path.")]
    assert path and max((a[name] - b[name]).abs().max().item() for name in path) < 1e-6
    told = [name for name in a if name.startswith("model.motion_projection.")]
    assert any((a[name] - b[name]).abs().max() > 1e-5 for name in told), "the joint run trained the projections"
    config = json.loads((joint / "config.json").read_text())
    assert len(config["severity_residuals"]) == 2
    assert (config["severity_steps"], config["report_steps"]) == (20, 20)
    only = json.loads((alone / "config.json").read_text())
    assert (only["severity_steps"], only["report_steps"]) == (20, 0)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [2, 3])
def test_two_ranks_under_deepspeed_keep_the_severity_path_to_itself(tiny_llava, data, tmp_path, zero):
    """DeepSpeed 0.19 clips by one norm at 1.0 where its config is silent; joint and alone then differed by 4e-4."""
    paths = []
    for objective in ("joint", "severity"):
        wanted = {"max_steps": 6, "deepspeed": f"scripts/zero{zero}.json", "feqa_objective": objective}
        arguments = flags(tiny_llava, data, tmp_path / objective, **{**OFF, **CLIP_FIELDS, **wanted})
        done = train(arguments, f"zero{zero}", MODULE)
        assert done.returncode == 0, done.stdout[-3000:]
        weights = load_file(tmp_path / objective / "severity.safetensors")
        paths.append({name: tensor for name, tensor in weights.items() if name.startswith("model.severity_path.")})
    joint, alone = paths
    assert alone and max((joint[name] - alone[name]).abs().max().item() for name in alone) < 1e-6


@pytest.mark.slow
def test_two_stages_keep_the_first_ones_severity_path_and_its_interval(tiny_llava, data, tmp_path):
    """The second stage froze the path and lost the interval that the first had made."""
    validation = {"validation_path": data.parents[1] / "validation.json"}
    first = run(tiny_llava, data, tmp_path / "first", feqa_objective="severity", **validation)
    start = first / SEVERITY_FILE
    second = run(tiny_llava, data, tmp_path / "second", feqa_objective="report", pretrain_severity_path=start)
    a, b = load_file(start), load_file(second / SEVERITY_FILE)
    path = [name for name in a if name.startswith("model.severity_path.")]
    assert path and all((a[name] == b[name]).all() and a[name].dtype.itemsize == 4 for name in path)
    one, two = (json.loads((folder / "config.json").read_text()) for folder in (first, second))
    assert one["severity_residuals"] == two["severity_residuals"] and len(two["severity_residuals"]) == 2
    assert one["severity_patients"] == two["severity_patients"] and len(set(two["severity_patients"])) == 1
    assert (one["severity_steps"], one["report_steps"]) == (6, 0)
    assert (two["severity_steps"], two["report_steps"]) == (6, 6)
    assert two["clips_seen"] == one["clips_seen"] and set(two["clips_seen"]) == {"training", "validation"}
    other = flags(tiny_llava, data, tmp_path / "other", **{**OFF, **CLIP_FIELDS, "motion_width": 32, "max_steps": 1})
    refused = train([*other, "--feqa_objective", "report", "--pretrain_severity_path", str(start)], module=MODULE)
    assert refused.returncode == 1 and "motion_width was 16 and is 32" in refused.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"per_device_train_batch_size": 1}, "An optimiser step sees 1 clip"),
        ({"feqa_objective": "report"}, "no trained severity path is given"),
    ],
)
def test_a_run_that_would_train_nothing_is_refused_before_a_model_is_loaded(tiny_llava, data, tmp_path, changes, said):
    wanted = {**OFF, **CLIP_FIELDS, "max_steps": 1, **changes}
    done = train(flags(tiny_llava, data, tmp_path / "out", **wanted), module=MODULE)
    assert done.returncode == 1 and said in done.stdout and "Loading" not in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def tremor(tmp_path_factory) -> Path:
    """Clips in PFED5's released layout whose severity is a jaw tremor of 0.006 inter-ocular distances, or none."""
    folder = tmp_path_factory.mktemp("tremor")
    for seed, patients in ((0, 12), (1, 10)):
        grades = {f"p{seed}{number:02d}": [0, 4, 0, 4] for number in range(patients)}
        write_released(folder, grades, {0: 0.0, 4: 0.006}, seed=seed)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("zero", [None, 2, 3])
def test_a_bf16_run_keeps_and_serves_the_severity_path_in_float32(tiny_llava, tremor, tmp_path, zero, capsys):
    """The GPU recipe fed landmarks in bfloat16, whose steps at 0.9 are 0.004, and saved the path so."""
    from llava_faba.cli import main

    out = tmp_path / "out"
    fields = {**CLIP_FIELDS, "motion_frames": 64, "motion_points": 73, "feqa_objective": "severity", "bf16": True}
    fields |= {"trajectory_folder": tremor / "detect_73_crop", "image_folder": tremor / "frames", "max_steps": 4}
    fields |= {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8, "learning_rate": 3e-3}
    fields |= {"validation_path": None, "deepspeed": f"scripts/zero{zero}.json" if zero else None}
    done = train(
        flags(tiny_llava, tremor / "set0.csv", out, **{**OFF, **fields}), "one rank" if zero else "plain", MODULE
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert {str(tensor.dtype) for tensor in load_file(out / SEVERITY_FILE).values()} == {"torch.float32"}
    command = ["evaluate-clips", tremor / "set1.csv", "--image-root", tremor / "frames", "--model-path", out]
    command += ["--model-base", tiny_llava, "--trajectory-folder", tremor / "detect_73_crop", "--json"]
    for dtype in ("float32", "bfloat16"):
        capsys.readouterr()
        assert main([*map(str, command), "--dtype", dtype, "--out", str(tmp_path / f"{dtype}.jsonl")]) == 0
        scores = json.loads(capsys.readouterr().out)
        assert scores["n"] == 40
        assert scores["leakage"] == {"training": {"ids": 0, "files": 0, "patients": 0}}


@pytest.mark.slow
def test_a_run_that_goes_on_from_a_checkpoint_ends_as_one_that_was_not_stopped(tiny_llava, data, tmp_path):
    """Severity path, its projections, its dropout stream and the order of clips included."""
    saving = {"save_strategy": "steps", "save_steps": 4, "save_total_limit": 5, "max_steps": 8, "motion_dropout": 0.1}
    whole = run(tiny_llava, data, tmp_path / "whole", **saving)
    stopped = shutil.copytree(whole, tmp_path / "stopped")
    shutil.rmtree(stopped / "checkpoint-8")
    (stopped / SEVERITY_FILE).unlink()
    run(tiny_llava, data, stopped, **saving)
    assert losses(stopped) == losses(whole)
    a, b = load_file(whole / SEVERITY_FILE), load_file(stopped / SEVERITY_FILE)
    assert a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


@pytest.mark.slow
def test_the_script_trains_validates_and_says_how_to_assess(tiny_llava, data, tmp_path):
    """As a user runs it, through the deepspeed launcher, with a smaller severity path behind it."""
    out, validation = tmp_path / "script", data.parents[1] / "validation.json"
    environment = {"MODEL": tiny_llava, "VISION_TOWER": tiny_llava / "clip", "DATA": data, "CLIPS": data.parent}
    environment |= {"VALIDATION": validation, "OUT": out, "EPOCHS": 1, "BATCH": 3, "LORA_R": 4, "GPU": False}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    smaller = [part for name, value in CLIP_FIELDS.items() for part in (f"--{name}", value)]
    words = {name: str(value) for name, value in environment.items()}
    done = command(["bash", "scripts/finetune_feqa_lora.sh", *smaller], **words)
    assert done.returncode == 0, done.stdout[-3000:]
    assert len(json.loads((out / "config.json").read_text())["severity_residuals"]) == 2
    assert any(line.split()[:2] == ["severity", "path"] for line in lines(done, "severity path"))
    onto = f"--model-path {out} --model-base {tiny_llava}"
    assert len(lines(done, f"next: llava-faba assess CLIP.mp4 {onto} --expression smile"[:100])) == 1


@pytest.mark.slow
def test_a_patient_in_both_sets_is_refused(tiny_llava, data, tmp_path):
    done = train(
        flags(tiny_llava, data, tmp_path, **OFF, **CLIP_FIELDS, max_steps=1, validation_path=data), module=MODULE
    )
    assert done.returncode == 1 and "share 3 patients" in done.stdout


@pytest.mark.slow
def test_a_trained_tiny_model_assesses_a_clip_and_says_that_it_is_tiny(tiny_llava, data, tmp_path, capsys):
    from llava_faba.cli import main

    out = run(tiny_llava, data, tmp_path / "joint", validation_path=data.parents[1] / "validation.json")
    capsys.readouterr()
    clip = str(data.parent / "0.mp4")
    command = ["assess", clip, "--model-path", str(out), "--model-base", str(tiny_llava), "--expression", "smile"]
    assert main([*command, "--json", "--max-new-tokens", "8"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert 0 <= record["severity"] <= 4
    assert record["interval"]["low"] <= record["severity"] <= record["interval"]["high"]
    assert "split conformal" in record["interval"]["method"]
    assert isinstance(record["report"], str) and set(record["evidence"]) == {"sentences", "rate"}
    assert any("tiny model" in note for note in record["model"]["notes"])
    assert main([*command, "--max-new-tokens", "8"]) == 0
    assert "note: by a tiny model" in capsys.readouterr().out
    assert main([*command[:-1], "yawn"]) == 2
    assert "knows sit_at_rest, smile" in capsys.readouterr().err
    predictions = tmp_path / "predictions.jsonl"
    scoring = ["evaluate-clips", str(data), "--image-root", str(data.parent), *command[2:6], "--out", str(predictions)]
    assert main([*scoring, "--max-new-tokens", "4", "--json"]) == 2
    assert "6 files of its training set, 3 patients of its training set" in capsys.readouterr().err
    assert not predictions.exists()
    scoring.append("--allow-seen")
    assert main([*scoring, "--max-new-tokens", "4", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["n"] == 6 and scores["failed"] == 0 and set(scores["per_expression"]) == {"frown", "smile"}
    assert scores["leakage"]["training"]["patients"] == 3 and any("NOT HELD OUT" in note for note in scores["notes"])
    assert set(scores["per_patient"]["p0"]) >= {"interval_coverage", "spearman"}
    written = predictions.read_bytes()
    predictions.write_bytes(written[:-20])  # a kill in the last line
    assert main([*scoring, "--max-new-tokens", "4", "--json"]) == 0
    assert predictions.read_bytes() == written
