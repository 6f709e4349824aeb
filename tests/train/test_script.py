"""scripts/finetune_faba_lora.sh is LLaVA's task LoRA command and the settings that differ, and it runs as it is."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.runs import REPOSITORY, lines, run

SCRIPT = REPOSITORY / "scripts" / "finetune_faba_lora.sh"
LLAVAS = {  # LLaVA's scripts/v1_5/finetune_task_lora.sh, but for the names of its files
    "lora_enable": "True",
    "lora_r": "128",
    "lora_alpha": "256",
    "mm_projector_lr": "2e-5",
    "version": "v1",
    "vision_tower": "openai/clip-vit-large-patch14-336",
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_layer": "-2",
    "mm_use_im_start_end": "False",
    "mm_use_im_patch_token": "False",
    "image_aspect_ratio": "pad",
    "group_by_modality_length": "True",
    "bf16": "True",
    "num_train_epochs": "1",
    "per_device_train_batch_size": "16",
    "per_device_eval_batch_size": "4",
    "gradient_accumulation_steps": "1",
    "evaluation_strategy": "no",
    "save_strategy": "steps",
    "save_steps": "50000",
    "save_total_limit": "1",
    "learning_rate": "2e-4",
    "weight_decay": "0.",
    "warmup_ratio": "0.03",
    "lr_scheduler_type": "cosine",
    "logging_steps": "1",
    "tf32": "True",
    "model_max_length": "2048",
    "gradient_checkpointing": "True",
    "dataloader_num_workers": "4",
    "lazy_preprocess": "True",
    "report_to": "wandb",
}
OURS = {"facial_prior_tower": "dlib_68", "learning_rate": "1e-4", "seed": "1", "report_to": "none", "bits": "16"}
OURS |= {"facial_prior_dropout": "0.02"}
FILES = ("deepspeed", "model_name_or_path", "data_path", "image_folder", "output_dir")


@pytest.fixture
def command(tmp_path):
    """command(flags, **environment) -> the words that the script hands to the deepspeed launcher."""
    (tmp_path / "bin").mkdir()
    for name in ("deepspeed", "torchrun"):
        stub = tmp_path / "bin" / name
        stub.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
        stub.chmod(stub.stat().st_mode | stat.S_IXUSR)

    def command(*flags: str, **environment: str) -> list[str]:
        path = f"{stub.parent}{os.pathsep}{os.environ['PATH']}"
        variables = {"PATH": path, "DATA": "a b.json", "IMAGES": "faces", "OUT": "out", "GPU": "True", **environment}
        ran = subprocess.run(["bash", SCRIPT, *flags], env=variables, capture_output=True, text=True, check=True)
        return ran.stdout.splitlines()

    return command


def settings(words: list[str]) -> dict[str, str]:
    """The flags behind the module's name; the last of a flag given twice wins, as in the parser."""
    after = words[words.index("llava_faba.train.train_mem") + 1 :]
    assert len(after) % 2 == 0 and all(word.startswith("--") for word in after[::2])
    return {flag.removeprefix("--"): value for flag, value in zip(after[::2], after[1::2], strict=True)}


def parsed(words: list[str]):
    """The namespace that LLaVA's train() would read the flags into; an unknown flag fails."""
    from llava_faba.host import compat

    compat.apply(training=True)
    from llava_faba.train.arguments import FabaDataArguments, FabaModelArguments, FabaTrainingArguments
    from llava_faba.train.preflight import CheckedParser

    parser = CheckedParser((FabaModelArguments, FabaDataArguments, FabaTrainingArguments))
    namespace, unknown = parser.parse_known_args(words[words.index("llava_faba.train.train_mem") + 1 :])
    assert unknown == []
    return namespace


def test_it_is_llavas_command_and_the_settings_that_differ(command):
    given = settings(command())
    assert {name: value for name, value in given.items() if name not in FILES} == LLAVAS | OURS
    assert given["deepspeed"] == str(SCRIPT.parent / "zero3.json")
    assert (given["data_path"], given["image_folder"], given["output_dir"]) == ("a b.json", "faces", "out")
    assert given["model_name_or_path"] == "liuhaotian/llava-v1.5-7b"


def test_every_flag_is_read_by_the_real_parser(command):
    read = parsed(command())
    assert read.learning_rate == 1e-4 and read.facial_prior_tower == "dlib_68" and read.lora_r == 128
    assert read.data_path == ["a b.json"] and read.bf16 is True and read.mm_projector_lr == 2e-5


@pytest.fixture
def gpu_driver(tmp_path):
    """A folder with an nvidia-smi that answers, as on a machine with a GPU that torch cannot use."""
    stub = tmp_path / "driver" / "nvidia-smi"
    stub.parent.mkdir()
    stub.write_text('#!/usr/bin/env bash\necho "GPU 0: NVIDIA H100"\n')
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    return stub.parent


@pytest.mark.parametrize("found", ["True", "False"])
def test_torch_is_asked_for_a_gpu_not_the_driver(command, gpu_driver, tmp_path, found):
    """A torch without CUDA, or a GPU that CUDA_VISIBLE_DEVICES hides, beside a driver that lists it."""
    fake = tmp_path / "torch.py"
    fake.write_text(f"class cuda:\n    is_available = staticmethod(lambda: {found})\n")
    places = [gpu_driver, tmp_path / "bin", Path(sys.executable).parent, os.environ["PATH"]]
    given = settings(command(GPU="", PATH=os.pathsep.join(map(str, places)), PYTHONPATH=str(tmp_path)))
    assert (given["bf16"], given["tf32"]) == (found, found)


def test_full_training_does_not_write_into_a_folder_named_lora(command):
    """LLaVA's loader takes any folder with "lora" in its name for an adapter."""
    environment = {"FULL": "1", "OUT": ""}
    assert "lora" not in settings(command(**environment))["output_dir"]
    assert settings(command(OUT=""))["output_dir"].endswith("-lora")


def test_without_a_gpu_it_asks_for_none(command):
    words = command(GPU="False")
    given = settings(words)
    assert (given["bf16"], given["tf32"], given["dataloader_num_workers"]) == ("False", "False", "0")
    assert words[:3] == ["--num_gpus", "1", "--module"]
    assert command()[0] == "--module" and command(GPUS="2")[:2] == ["--num_gpus", "2"]


def test_full_finetuning_is_llavas_finetune_without_adapters(command):
    """LLaVA's scripts/v1_5/finetune.sh: learning rate 2e-5, no LoRA, one rate for all."""
    words = command(FULL="1")
    given = settings(words)
    assert given["learning_rate"] == "2e-5"
    assert not {"lora_enable", "lora_r", "lora_alpha", "mm_projector_lr"} & given.keys()
    assert parsed(words).lora_enable is False


def test_qlora_uses_four_bits_and_zero_2(command):
    given = settings(command(BITS="4"))
    assert (given["bits"], given["lora_enable"]) == ("4", "True")
    assert given["deepspeed"].endswith("zero2.json") and Path(given["deepspeed"]).is_file()


def test_everything_is_set_from_the_environment_and_flags_come_last(command):
    changed = {
        "MODEL": "m",
        "VISION_TOWER": "v",
        "PRIOR": "insightface_2d106",
        "PRIOR_MODEL": "my models/2d106det.onnx",
        "LR": "3e-4",
        "EPOCHS": "2",
        "BATCH": "4",
        "BF16": "False",
        "TF32": "False",
        "ZERO": "z.json",
        "REPORT_TO": "wandb",
        "SEED": "5",
        "SAVE_STEPS": "100",
        "LORA_ALPHA": "16",
        "MM_PROJECTOR_LR": "1e-3",
        "EXTRA": "--lora_r 64 --max_steps 3",
        "LAUNCH": "--hostfile hosts --master_port 29501",
    }
    words = command("--lora_r", "8", **changed)
    assert words[:5] == ["--hostfile", "hosts", "--master_port", "29501", "--module"]
    given = settings(words)
    expected = ("m", "v", "insightface_2d106", "my models/2d106det.onnx", "3e-4", "2", "4", "False", "z.json", "5")
    names = ("model_name_or_path", "vision_tower", "facial_prior_tower", "facial_prior_model", "learning_rate")
    names += ("num_train_epochs", "per_device_train_batch_size", "bf16", "deepspeed", "seed")
    assert tuple(given[name] for name in names) == expected
    assert (given["lora_r"], given["max_steps"], given["save_steps"]) == ("8", "3", "100")
    assert (given["lora_alpha"], given["mm_projector_lr"]) == ("16", "1e-3")
    assert parsed(words).lora_r == 8


def test_a_run_is_validated_on_the_files_that_are_named(command):
    words = command(VALIDATION="an emotion.json,au.json", VALIDATION_STEPS="50")
    given = settings(words)
    assert (given["validation"], given["validation_steps"]) == ("an emotion.json,au.json", "50")
    assert not [word for word in command() if word.startswith("--validation")]


def test_an_empty_prior_is_stock_llava(command):
    without = settings(command(PRIOR=""))
    assert "facial_prior_tower" not in without and "facial_prior_dropout" not in without


MEET = {"NNODES": "2", "MASTER_ADDR": "host0", "GPUS": "4"}


def launched(words: list[str]) -> str:
    """The launcher's own words."""
    return " ".join(words[: words.index("--module")])


def test_two_runs_on_one_machine_can_be_told_two_ports(command):
    assert launched(command(GPUS="2", MASTER_PORT="29507")) == "--num_gpus 2 --master_port 29507"


def test_a_hostfile_starts_all_its_hosts_by_ssh(command):
    assert launched(command(HOSTFILE="hosts")) == "--hostfile hosts --master_port 29500"


def test_without_ssh_each_machine_says_which_it_is(command):
    words = launched(command(HOSTFILE="hosts", NODE_RANK="1", **MEET))
    assert words == "--hostfile hosts --no_ssh --node_rank 1 --master_addr host0 --master_port 29500"


def test_without_ssh_and_hostfile_one_is_made(command, tmp_path):
    (tmp_path / "bin" / "deepspeed").write_text('#!/usr/bin/env bash\ncat "$2"\necho "$@"\n')
    *hosts, words = command(NODE_RANK="0", TMPDIR=str(tmp_path), **MEET)
    assert hosts == ["node-0 slots=4", "node-1 slots=4"] and "--no_ssh --node_rank 0 " in words
    assert not list(tmp_path.glob("llava-faba-hosts.*"))


def test_torchrun_meets_at_one_machine(command):
    assert launched(command(LAUNCHER="torchrun", RUN_ID="7", MASTER_PORT="29511", **MEET)) == (
        "--nnodes 2 --nproc_per_node 4 --rdzv_id 7 --rdzv_backend c10d --rdzv_endpoint host0:29511"
    )
    assert launched(command(LAUNCHER="torchrun", GPUS="2")) == "--standalone --nproc_per_node 2"


@pytest.mark.parametrize("name", ["faba", "feqa"])
def test_both_scripts_have_the_same_launchers(name):
    text = (SCRIPT.parent / f"finetune_{name}_lora.sh").read_text()
    assert 'source "$(dirname "$0")/launcher.sh"' in text and '"${launch[@]}" --module' in text


@pytest.mark.parametrize(
    "given, reason",
    [
        ({"LAUNCHER": "mpirun"}, "LAUNCHER is 'mpirun'. It is deepspeed or torchrun."),
        ({"NNODES": "two"}, "NNODES is 'two'. It is the number of machines."),
        ({**MEET, "NODE_RANK": "2"}, "NODE_RANK is '2'. Machines are counted from 0 to NNODES - 1, which is 1."),
        ({"NNODES": "2", "NODE_RANK": "0"}, "MASTER_ADDR is not given."),
        ({"NNODES": "2", "LAUNCHER": "torchrun"}, "MASTER_ADDR is not given."),
        (MEET, "NNODES is 2 without NODE_RANK or HOSTFILE."),
    ],
)
def test_machines_that_cannot_meet_are_refused_before_anything_starts(given, reason):
    variables = {"PATH": os.environ["PATH"], "DATA": "d", "IMAGES": "i", "GPU": "True", **given}
    ran = subprocess.run(["bash", SCRIPT], env=variables, capture_output=True, text=True)
    assert ran.returncode == 2 and f"error: {reason}" in ran.stderr and not ran.stdout


@pytest.mark.parametrize("missing", ["DATA", "IMAGES"])
def test_what_has_no_default_is_asked_for(missing):
    given = {"PATH": os.environ["PATH"], "DATA": "d", "IMAGES": "i"}
    del given[missing]
    ran = subprocess.run(["bash", SCRIPT], env=given, capture_output=True, text=True)
    assert ran.returncode != 0 and f"{missing}: " in ran.stderr


@pytest.mark.slow
def test_it_trains_a_tiny_model_as_it_is(tiny_llava, face_data, tmp_path):
    """From another folder, without a GPU, through the deepspeed launcher and ZeRO-3."""
    environment = {
        "MODEL": str(tiny_llava),
        "VISION_TOWER": str(tiny_llava / "clip"),
        "DATA": str(face_data),
        "IMAGES": str(face_data.parent),
        "OUT": str(tmp_path / "out"),
        "PRIOR": "precomputed",
        "BATCH": "4",
        "GPU": "False",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    further = ["--facial_prior_hidden_size", "7", "--max_steps", "2", "--lora_r", "4", "--disable_tqdm", "True"]
    ran = run(["bash", SCRIPT, *further], cwd=tmp_path, **environment)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert (tmp_path / "out" / "facial_prior_projector.safetensors").is_file()
    assert len(lines(ran, "next: llava-faba describe --model-path ")) == 1
