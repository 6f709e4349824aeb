"""The environment in which vLLM runs, beside this one, as scripts/test.sh makes it (`--leg vllm`)."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, other_environment, shared_path

ASK = Path(__file__).with_name("ask_vllm.py")
CPU = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",  # threads that wait for each other by spinning are slow on cores that others use too
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine in the process itself: seconds sooner
    "PYTHONPATH": str(REPOSITORY),
}


@pytest.fixture(scope="session")
def vllm() -> Path:
    """The interpreter of vLLM's environment."""
    return other_environment("vllm", "bash scripts/test.sh --leg vllm makes it")


@pytest.fixture(scope="session")
def ask_vllm(vllm, tmp_path_factory):
    """ask_vllm(jobs, **environment) -> what ask_vllm.py writes."""

    def ask_vllm(jobs: list, **environment: str) -> list:
        folder = tmp_path_factory.mktemp("vllm")
        (folder / "job.json").write_text(json.dumps(jobs))
        ran = subprocess.run(
            [vllm, ASK, folder / "job.json", folder / "out.json"],
            env={**os.environ, **CPU, **environment},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
        return json.loads((folder / "out.json").read_text())

    return ask_vllm


@pytest.fixture(scope="session")
def faces() -> list[str]:
    """Thirty-two photos of faces."""
    return [str(path) for path in sorted((shared_path("faces") / "images").glob("eval_*.jpg"))[:32]]
