"""A run goes on only where the same model, question and data made what is there; what is stale is put aside."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.errors import InputError
from llava_faba.files import JsonLines, read_json, write_json
from llava_faba.inference.runs import checkpoint_record, data_record, start_or_resume
from tests.train.runs import REPOSITORY


def test_a_run_with_another_record_is_refused_and_nothing_is_touched(tmp_path):
    out = tmp_path / "answers.jsonl"
    start_or_resume(out, {"task": "au", "model_fingerprint": "1"})
    out.write_text('{"id": 1}\n')
    start_or_resume(out, {"task": "au", "model_fingerprint": "1"})
    for other in ({"task": "emotion", "model_fingerprint": "1"}, {"task": "emotion", "model_fingerprint": "2"}):
        with pytest.raises(InputError, match="task was 'au', is 'emotion'"):
            start_or_resume(out, other)
    assert out.read_text() == '{"id": 1}\n'
    (tmp_path / "answers.jsonl.run.json").unlink()
    with pytest.raises(InputError, match=r"no answers\.jsonl\.run\.json says what made it"):
        start_or_resume(out, {"task": "au"})


def test_what_a_retrained_model_or_corrected_labels_made_stale_is_put_aside(tmp_path, capsys):
    """`evaluate-clips` went on with a former model's scores when a model was trained again in the same folder."""
    out = tmp_path / "answers.jsonl"
    start_or_resume(out, {"model": "m", "model_fingerprint": "1", "data_sha256": "a"})
    with JsonLines(out) as lines:
        lines.append({"id": 1})
    with JsonLines(out) as lines:
        start_or_resume(out, {"model": "m", "model_fingerprint": "2", "data_sha256": "b"})
        assert list(lines) == []
        lines.append({"id": 2})
    assert out.read_text() == '{"id": 2}\n'
    assert (tmp_path / "answers.jsonl.stale").read_text() == '{"id": 1}\n'
    assert "data_sha256, model_fingerprint changed since" in capsys.readouterr().err
    assert read_json(tmp_path / "answers.jsonl.run.json", "record")["model_fingerprint"] == "2"


def test_a_record_knows_the_base_of_an_adapter_and_the_content_of_the_data(tmp_path):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    for folder in (base, adapter):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    write_json(adapter / "adapter_config.json", {"base_model_name_or_path": str(base)})
    before = checkpoint_record(adapter, None)
    assert before["base"] == str(base) and before["base_fingerprint"]
    (base / "model.safetensors").write_bytes(b"other weights")
    after = checkpoint_record(adapter, None)
    assert before["model_fingerprint"] == after["model_fingerprint"]
    assert before["base_fingerprint"] != after["base_fingerprint"]
    data = write_json(tmp_path / "eval.json", [1])
    assert data_record(data, None)["image_root"] == str(tmp_path)


FACES = 200
KILLS = int(os.environ.get("LLAVA_FABA_KILLS", "5"))  # each costs a start of torch


@pytest.fixture(scope="module")
def described(tiny_llava, tmp_path_factory):
    """A model, an evaluation file of 200 faces, and what an uninterrupted run with --probabilities writes."""
    root = tmp_path_factory.mktemp("faces")
    draw = random.Random(0)
    samples = []
    for n in range(FACES):
        Image.new("RGB", (40, 40), tuple(draw.randrange(256) for _ in range(3))).save(root / f"{n}.png")
        samples.append({"image": f"{n}.png", "label": "Happiness", "gpt4": "Happiness", "subject": f"S{n // 5}"})
    return tiny_llava, write_json(root / "eval.json", samples)


def command(model, data, out):
    flags = ["--task", "emotion", "--max-new-tokens", "4", "--batch-size", "7", "--device", "cpu"]
    flags += ["--probabilities", "--samples", "2"]
    return ["describe", "--model-path", str(model), "--data", str(data), "--out", str(out), *flags]


@pytest.mark.slow
@pytest.mark.trust
def test_200_faces_killed_at_random_end_with_the_same_bytes(described, tmp_path):
    model, data = described
    assert cli.main(command(model, data, tmp_path / "whole.jsonl")) == 0
    whole = (tmp_path / "whole.jsonl").read_bytes()
    assert whole.count(b"\n") == FACES and json.loads(whole.splitlines()[0])["subject"] == "S0"
    out, draw, kills = tmp_path / "answers.jsonl", random.Random(1), 0
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    while kills < KILLS:
        before = out.stat().st_size if out.is_file() else 0
        goal = before + draw.randrange(1, max(2, (len(whole) - before) // max(1, KILLS - kills)))
        process = subprocess.Popen(
            [sys.executable, "-m", "llava_faba.cli", *command(model, data, out)],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and not (out.is_file() and out.stat().st_size >= goal):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert cli.main(command(model, data, out)) == 0
    assert out.read_bytes() == whole


def test_two_writers_at_once_and_a_retrained_model(described, tmp_path, capsys):
    """The second writer is refused while the first holds the file; a retrained model in the same place answers anew."""
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    model, data = described
    few = write_json(data.parent / "few.json", read_json(data, "data")[:9])
    out = tmp_path / "answers.jsonl"
    with JsonLines(out):
        assert cli.main(command(model, few, out)) == 2
        assert "is being written by process" in capsys.readouterr().err
    moved = tmp_path / "model"
    shutil.copytree(model, moved)
    assert cli.main(command(moved, few, out)) == 0
    first = out.read_bytes()
    (file,) = moved.glob("*.safetensors")
    weights = load_file(file)
    torch.manual_seed(5)
    weights["lm_head.weight"] = torch.randn_like(weights["lm_head.weight"])
    save_file(weights, file, metadata={"format": "pt"})
    assert cli.main(command(moved, few, out)) == 0
    assert out.read_bytes() != first and out.read_bytes().count(b"\n") == 9
    assert (tmp_path / "answers.jsonl.stale").read_bytes() == first
