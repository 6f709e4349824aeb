"""Two nodes of one machine: the weights of one node, an end when a node dies, and a folder that all of them see."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llava_faba.train.saving import COMPLETE
from tests.train.runs import REPOSITORY, difference, free_port, losses, weights

pytestmark = [pytest.mark.slow, pytest.mark.trust]
STEPS = "--max_steps 8 --save_steps 4 --num_train_epochs 3 --lora_r 4 --lora_alpha 8 --facial_prior_hidden_size 7"


def start(launcher, base, data, out, nodes=2, rank=0, port=0, cwd=REPOSITORY):
    """Start the finetune script on one of `nodes` nodes, or on the only one with two ranks; return its process."""
    where = (
        {"NNODES": nodes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GPUS": 1}
        if nodes > 1
        else {"GPUS": 2, "MASTER_PORT": free_port()}
    )
    if nodes > 1 and launcher == "deepspeed":
        where["NODE_RANK"] = rank
    settings = {
        **{"MODEL": base, "VISION_TOWER": base / "clip", "DATA": data, "IMAGES": data.parent, "OUT": out},
        **{"PRIOR": "precomputed", "BATCH": 2, "LR": 1e-3, "GPU": False, "EXTRA": f"{STEPS} --disable_tqdm True"},
        **{"ZERO": REPOSITORY / "scripts" / "zero2.json", "LAUNCHER": launcher, **where},
        **{"PYTHONPATH": REPOSITORY, "HF_HUB_OFFLINE": 1, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": 1},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return subprocess.Popen(
        ["bash", str(REPOSITORY / "scripts" / "finetune_faba_lora.sh")],
        env={**os.environ, **{name: str(value) for name, value in settings.items()}},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end(processes, timeout=300) -> list[str]:
    """Wait for processes; return what they printed. Nothing of them is left."""
    try:
        return [process.communicate(timeout=timeout)[0] for process in processes]
    finally:
        for process in processes:
            kill(process)


def kill(process) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def both(launcher, base, data, out, **more):
    """Start the two nodes of a run."""
    port = free_port()
    return [start(launcher, base, data, out, rank=rank, port=port, **more) for rank in range(2)]


@pytest.fixture(scope="module")
def one_node(tiny_llava, face_data, tmp_path_factory):
    """The folder of a run of two ranks on one node."""
    out = tmp_path_factory.mktemp("one-node") / "lora"
    process = start("deepspeed", tiny_llava, face_data, out, nodes=1)
    (printed,) = end([process])
    assert process.returncode == 0, printed[-3000:]
    return out


def test_two_nodes_that_meet_by_torchrun_train_the_weights_of_one(one_node, tiny_llava, face_data, tmp_path):
    nodes = both("torchrun", tiny_llava, face_data, tmp_path / "lora")
    printed = end(nodes)
    assert [node.returncode for node in nodes] == [0, 0], "\n".join(printed)[-3000:]
    assert losses(tmp_path / "lora") == losses(one_node) and len(losses(one_node)) == 8
    assert difference(weights(tmp_path / "lora"), weights(one_node)) == 0
    assert "".join(printed).count("next: llava-faba describe") == 1, "one rank of all speaks, not one of each node"


def test_a_node_that_dies_ends_the_other_and_the_run_goes_on(one_node, tiny_llava, face_data, tmp_path):
    """By deepspeed --no_ssh; the second node is killed as soon as the first checkpoint is whole."""
    out = tmp_path / "lora"
    first, second = both("deepspeed", tiny_llava, face_data, out)
    deadline = time.monotonic() + 300
    while not (out / "checkpoint-4" / COMPLETE).exists() and second.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    kill(second)
    printed = end([first, second], timeout=120)
    assert first.returncode not in (0, None), printed[0][-3000:]
    assert not (out / "adapter_model.safetensors").exists(), "it ended before it was killed"

    nodes = both("deepspeed", tiny_llava, face_data, out)
    printed = end(nodes)
    assert [node.returncode for node in nodes] == [0, 0], "\n".join(printed)[-3000:]
    assert f"resuming from {out / 'checkpoint-4'}" in "".join(printed)
    assert losses(out) == losses(one_node)
    assert difference(weights(out), weights(one_node)) == 0


def test_nodes_whose_output_folders_only_look_alike_are_refused(tiny_llava, face_data, tmp_path):
    """The same relative path on two machines, here two folders."""
    port, folders = free_port(), [tmp_path / "a", tmp_path / "b"]
    nodes = []
    for rank, folder in enumerate(folders):
        folder.mkdir()
        nodes.append(start("deepspeed", tiny_llava, face_data, "lora", rank=rank, port=port, cwd=folder))
    printed = "".join(end(nodes))
    assert all(node.returncode != 0 for node in nodes)
    assert printed.count("error: --output_dir lora is not one folder: what rank 0 on ") == 1, printed[-3000:]
    assert "is not seen by rank 1 on " in printed and "Traceback" not in printed
    assert not any(list(folder.iterdir()) for folder in folders), "nothing is left behind"
