"""Resuming: from the newest whole checkpoint, exactly, or refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llava_faba.errors import InputError
from llava_faba.train import saving as checkpoints
from tests.train.runs import REPOSITORY, difference, flags, losses, train, weights

FILES = ("adapter_model.safetensors", "non_lora_trainables.safetensors", "optimizer.pt", "global_step4/rank_1.pt")


@pytest.fixture
def folder(tmp_path) -> Path:
    """An output folder with the whole checkpoints 4, 8 and 12."""
    for step in (4, 8, 12):
        for name in FILES:
            file = tmp_path / f"checkpoint-{step}" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x" * step)
        checkpoints.mark_complete(tmp_path / f"checkpoint-{step}")
    return tmp_path


def test_the_newest_whole_checkpoint_is_chosen_by_its_number(folder):
    (folder / "checkpoint-final").mkdir()
    assert checkpoints.newest_complete(folder) == (folder / "checkpoint-12", [])


def test_a_folder_without_checkpoints_starts_from_the_beginning(tmp_path):
    assert checkpoints.newest_complete(tmp_path) == (None, [])


@pytest.mark.trust
@pytest.mark.parametrize("damage", ["delete", "truncate", "grow"])
@pytest.mark.parametrize("name", [*FILES, checkpoints.COMPLETE])
def test_any_damaged_file_of_the_newest_makes_it_passed_over(folder, name, damage):
    file = folder / "checkpoint-12" / name
    if damage == "delete":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:3] if damage == "truncate" else file.read_bytes() + b"x")
    chosen, passed_over = checkpoints.newest_complete(folder)
    if name == checkpoints.COMPLETE and damage == "grow":  # "...}\nx" is no JSON any more
        assert "cannot be read" in passed_over[0]
    assert chosen == folder / "checkpoint-8" and passed_over[0].startswith("checkpoint-12 is passed over: ")


@pytest.mark.trust
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"files": []}', b'{"files": {"a": null}}', b"\xff\x00"])
def test_a_strange_list_of_files_never_stops_the_search(folder, content):
    (folder / "checkpoint-12" / checkpoints.COMPLETE).write_bytes(content)
    assert checkpoints.newest_complete(folder)[0] == folder / "checkpoint-8"


@pytest.mark.trust
def test_no_whole_checkpoint_is_refused_with_the_reason_for_each(folder):
    for step in (4, 8, 12):
        (folder / f"checkpoint-{step}" / "non_lora_trainables.safetensors").unlink()
    with pytest.raises(InputError, match=r"checkpoint-12 .*non_lora_trainables\.safetensors is missing.*checkpoint-4 "):
        checkpoints.newest_complete(folder)


def test_old_checkpoints_go_when_a_newer_one_is_whole(folder):
    checkpoints.prune(folder, None)
    assert len(list(folder.iterdir())) == 3
    checkpoints.prune(folder, 2)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-12", "checkpoint-8"]


def test_the_best_model_stays_whatever_the_limit_is_and_is_never_resumed_from(folder):
    (folder / "checkpoint-best").mkdir()
    checkpoints.prune(folder, 1)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-12", "checkpoint-best"]
    assert checkpoints.newest_complete(folder) == (folder / "checkpoint-12", [])


def test_a_kept_folder_is_replaced_whole(tmp_path):
    for name in ("checkpoint-best", "tmp-checkpoint-best", "old-checkpoint-best"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    checkpoints.replace_folder(tmp_path / "tmp-checkpoint-best", tmp_path / "checkpoint-best")
    assert [path.name for path in tmp_path.rglob("*")] == ["checkpoint-best", "tmp-checkpoint-best"]


def stopped_after_four(run, folder: Path) -> Path:
    """What a run leaves that was stopped after its first checkpoint."""
    shutil.copytree(run.out / "checkpoint-4", folder / "checkpoint-4")
    shutil.copy(run.out / "run.json", folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["plain", "zero2", "zero3"])
def test_a_resumed_run_is_the_uninterrupted_one(finished, launcher, tiny_llava, face_data, tmp_path):
    """Losses, prior, projector and adapter, bit for bit; the checkpoint lies in the middle of the second epoch."""
    run = finished(launcher)
    out = stopped_after_four(run, tmp_path / "out")
    ran = train(flags(tiny_llava, face_data, out, **run.changes), launcher)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert ran.stdout.count(f"resuming from {out / 'checkpoint-4'}") == 1
    assert losses(out) == losses(run.out) and len(losses(out)) == 8
    assert difference(weights(out), weights(run.out)) == 0
    assert json.loads((out / "run.json").read_text())["resumed_from"] == "checkpoint-4"
    assert json.loads((out / "config.json").read_text()) == json.loads((run.out / "config.json").read_text())


@pytest.mark.slow
def test_a_resumed_run_in_an_order_by_length_is_the_uninterrupted_one(finished, tiny_llava, face_data, tmp_path):
    run = finished("plain", group_by_length_steps=2)
    out = stopped_after_four(run, tmp_path / "out")
    ran = train(flags(tiny_llava, face_data, out, **run.changes))
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert losses(out) == losses(run.out) != losses(finished("plain").out)
    assert difference(weights(out), weights(run.out)) == 0


@pytest.mark.slow
@pytest.mark.trust
def test_a_damaged_newest_checkpoint_costs_only_the_steps_since_the_one_before(
    finished, tiny_llava, face_data, tmp_path
):
    run = finished("plain")
    out = stopped_after_four(run, tmp_path / "out")
    shutil.copytree(run.out / "checkpoint-8", out / "checkpoint-8")
    file = out / "checkpoint-8" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    (out / "checkpoint-8" / "stray.bin").write_bytes(b"of the interrupted run")
    ran = train(flags(tiny_llava, face_data, out, **run.changes))
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "checkpoint-8 is passed over: adapter_model.safetensors has 1000 bytes instead of " in ran.stdout
    assert difference(weights(out), weights(run.out)) == 0
    assert checkpoints.defect(out / "checkpoint-8") is None and not (out / "checkpoint-8" / "stray.bin").exists()


@pytest.mark.slow
@pytest.mark.trust
def test_a_checkpoint_without_the_projectors_is_refused(finished, tiny_llava, face_data, tmp_path):
    """Stock LLaVA's are such ones: resuming from them leaves a fresh random prior, silently (traps 6)."""
    run = finished("plain")
    out = stopped_after_four(run, tmp_path / "out")
    (out / "checkpoint-4" / "non_lora_trainables.safetensors").unlink()
    ran = train(flags(tiny_llava, face_data, out, **run.changes))
    assert ran.returncode == 1 and "Traceback" not in ran.stdout
    assert "No checkpoint in" in ran.stdout and "non_lora_trainables.safetensors is missing" in ran.stdout
    assert not (out / "adapter_model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.trust
def test_a_killed_run_goes_on_to_the_same_end(finished, tiny_llava, face_data, tmp_path):
    """Killed as soon as its first checkpoint is whole, with a limit of one checkpoint to keep."""
    run = finished("plain")
    out = tmp_path / "out"
    arguments = flags(tiny_llava, face_data, out, **{**run.changes, "save_total_limit": 1})
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    words = [sys.executable, "-m", "llava_faba.train.train", *arguments]
    with subprocess.Popen(words, env=environment, cwd=REPOSITORY, stdout=-3, stderr=-3) as process:
        whole = out / "checkpoint-4" / checkpoints.COMPLETE
        deadline = time.monotonic() + 300
        while not whole.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert not (out / "adapter_model.safetensors").exists(), "it ended before it was killed"
    ran = train(arguments)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "resuming from" in ran.stdout
    assert losses(out) == losses(run.out) and difference(weights(out), weights(run.out)) == 0
    assert [path.name for path in out.glob("checkpoint-*")] == ["checkpoint-8"]
