"""What fits a GPU, `llava-faba estimate`, and what a run says and keeps of its memory."""

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from llava_faba import cli
from llava_faba.files import write_json
from llava_faba.train.fit import GIB, choices, estimate
from llava_faba.train.recipe import Recipe
from llava_faba.train.shape import shape_of

SEVEN = shape_of("llava-v1.5-7b")


def test_a_batch_that_fits_stays_under_the_memory_and_the_next_does_not():
    memory, recipe = 24 * GIB, Recipe(bits=4, zero=2)
    row = next(row for row in choices(SEVEN, recipe, memory) if (row.bits, row.zero) == (4, 2))
    fitting, next_one, possible = (
        estimate(SEVEN, replace(recipe, per_device_train_batch_size=batch))
        for batch in (row.fits, 2 * row.fits, row.may_fit)
    )
    assert fitting.high <= memory < next_one.high and possible.low <= memory
    assert fitting.verdict(memory) == "fits" and next_one.verdict(memory) == "may fit"


def test_nothing_fits_a_gpu_that_cannot_hold_the_weights():
    assert all(row.fits == row.may_fit == 0 for row in choices(SEVEN, Recipe(lora_enable=False), 10 * GIB))


def test_bits_are_offered_to_adapters_only_and_never_with_zero_3():
    assert {row.bits for row in choices(SEVEN, Recipe(lora_enable=False), 80 * GIB)} == {16}
    assert {(row.bits, row.zero) for row in choices(SEVEN, Recipe(), 80 * GIB)} >= {(4, 2), (8, 0), (16, 3)}
    assert (4, 3) not in {(row.bits, row.zero) for row in choices(SEVEN, Recipe(), 80 * GIB)}


def test_the_range_goes_from_typical_sequences_to_the_longest():
    found = estimate(SEVEN, Recipe(model_max_length=1024))
    assert found.length == 576 + 230 and found.low < found.high
    assert estimate(SEVEN, Recipe(model_max_length=300)).length == 300


def test_the_command_answers_without_torch():
    """A base install has none, and importing it takes seconds."""
    code = (
        "import sys; from llava_faba.cli import main; status = main(['estimate', '--gpu-memory', '24']);"
        "sys.exit(status or int(bool({'torch', 'transformers', 'llava', 'deepspeed'} & set(sys.modules))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "logits in float32" in ran.stdout and "A GPU of 24.0 GiB: does not fit" in ran.stdout


def test_the_command_writes_json(capsys, tiny_llava):
    flags = ["--lora_enable", "False", "--batch", "2", "--zero", "2", "--gpus", "2", "--facial_prior_tower", "dlib_68"]
    assert cli.main(["estimate", str(tiny_llava), *flags, "--gpu-memory", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"]["per_device_train_batch_size"] == 2 and found["recipe"]["zero"] == 2
    assert found["low_gib"] <= found["high_gib"] and found["verdict"] in ("fits", "may fit", "does not fit")
    assert "trained: facial prior projector" in found["parts_gib"]
    assert {(row["bits"], row["zero"]) for row in found["choices"]} == {(16, 0), (16, 2), (16, 3)}


def test_a_flag_that_cannot_be_is_one_line(capsys):
    assert cli.main(["estimate", "--bits", "4", "--zero", "3"]) == 2
    assert "Use --zero 2." in capsys.readouterr().err


def test_quantised_runs_are_under_zero_2_unless_told_otherwise(capsys):
    """As scripts/finetune_faba_lora.sh."""
    assert cli.main(["estimate", "--bits", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"]["zero"] == 2


def test_the_measured_peak_stands_beside_the_estimate(tmp_path, monkeypatch):
    from llava_faba.host import compat

    compat.apply(training=True)
    import torch

    from llava_faba.train.peak import PeakMemory

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 3 * GIB)
    write_json(tmp_path / "run.json", {"seed": 1, "memory": {"line": "so much", "measured_gib": None}})
    watch = PeakMemory()
    args, state = SimpleNamespace(output_dir=tmp_path, faba_record={}), SimpleNamespace(is_world_process_zero=True)
    watch.on_step_end(args, state, None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 4 * GIB)
    watch.on_step_end(args, state, None)  # a second step changes nothing
    record = json.loads((tmp_path / "run.json").read_text())
    assert record == {"seed": 1, "memory": {"line": "so much", "measured_gib": {"after_step_1": 3.0}}}
    watch.on_train_end(args, state, None)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["memory"]["measured_gib"] == {"after_step_1": 3.0, "at_the_end": 4.0}


@pytest.mark.parametrize(("cuda", "first"), [(False, True), (True, False)], ids=["a CPU", "another rank"])
def test_a_peak_is_written_by_the_first_rank_of_a_gpu_only(tmp_path, monkeypatch, cuda, first):
    from llava_faba.host import compat

    compat.apply(training=True)
    import torch

    from llava_faba.train.peak import PeakMemory

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    args, state = SimpleNamespace(output_dir=tmp_path, faba_record={}), SimpleNamespace(is_world_process_zero=first)
    PeakMemory().on_step_end(args, state, None)
    assert not list(tmp_path.iterdir())
