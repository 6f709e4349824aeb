"""Three nodes of one machine: a node dies, the driver is killed and runs again, and nothing is lost or there twice.

LLAVA_FABA_RAY_FACES=500 takes as many real faces as that, 60 by default.
"""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llava_faba import cli
from llava_faba.files import read_json_lines, write_json
from tests.conftest import REPOSITORY, shared_path

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.trust]

N = int(os.environ.get("LLAVA_FABA_RAY_FACES", "60"))
NODE = {"num_cpus": 1, "object_store_memory": 100_000_000}
ENVIRONMENT = {"PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def cluster():
    """Three nodes with one core each; their processes inherit the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "RAY_USAGE_STATS_ENABLED": "0"}.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        try:
            yield made
        finally:
            made.shutdown()


@pytest.fixture
def nodes(cluster):
    """The two nodes beside the head's."""
    added = [cluster.add_node(**NODE) for _ in range(2)]
    yield added
    for node in added:
        if node in cluster.worker_nodes:
            cluster.remove_node(node, allow_graceful=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """An evaluation file of real faces; one picture is not a picture."""
    with open(shared_path("faces") / "eval_natural.csv") as file:
        rows = list(csv.DictReader(file))[:N]
    samples = [{"image": row["image"], "label": row["label"], "gpt4": "A face."} for row in rows]
    return write_json(tmp_path_factory.mktemp("data") / "eval.json", samples)


def words_of(command, data, out):
    root = ["--image-root", shared_path("faces"), "--batch-size", 4, "--out", out]
    own = {"priors": [data, "--prior", "dlib_68"], "describe": ["--data", data, "--task", "emotion"]}[command]
    return [str(word) for word in (command, *own, *root, *(["--device", "cpu"] if command == "describe" else []))]


def driver(cluster, words, pause=0.0):
    """Start a run on the cluster."""
    command = [sys.executable, "-m", "tests.cluster.driver", pause, *words, "--engine", "ray"]
    return subprocess.Popen(
        [*map(str, command), "--address", cluster.address],
        env={**os.environ, **ENVIRONMENT},
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(count, there, process):
    """Wait until `there()` things are written."""
    end = time.monotonic() + 120 + N
    while there() < count and time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"the driver has ended: {process.communicate()[0][-3000:]}")
        time.sleep(0.05)
    assert there() >= count


def content(out: Path) -> dict[str, bytes]:
    """Every file below a folder, or one file, with its bytes."""
    files = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else [out]
    return {str(path.relative_to(out.parent if out.is_file() else out)): path.read_bytes() for path in files}


@pytest.mark.parametrize("command", ["priors", "describe"])
def test_every_sample_is_there_once_after_a_node_died_and_the_driver_was_killed(
    command, cluster, nodes, data, tmp_path
):
    (tmp_path / "plain").mkdir()
    name = "out" if command == "priors" else "answers.jsonl"
    assert cli.main(words_of(command, data, tmp_path / "plain" / name)) == 0

    out = tmp_path / name
    words = words_of(command, data, out)

    def there():
        return (
            len(list(out.rglob("natural_*.npy")))
            if command == "priors"
            else out.is_file() and len(list(read_json_lines(out)))
        )

    first = driver(cluster, words, pause=0.1)
    wait_for(N // 4, there, first)
    second = driver(cluster, words)  # while the first one writes
    cluster.remove_node(nodes[0], allow_graceful=False)
    refused = second.communicate(timeout=200)[0]
    assert second.returncode == 2 and f"is being written by process {first.pid}" in refused, refused[-3000:]
    wait_for(N // 2, there, first)
    assert there() < N, "the driver was to be killed half-way"
    first.send_signal(signal.SIGKILL)
    first.communicate()

    again = driver(cluster, words)
    assert again.wait(timeout=300 + N) == 0, again.communicate()[0][-3000:]
    assert content(out) == content(tmp_path / "plain" / name)
