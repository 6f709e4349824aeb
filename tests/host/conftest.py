"""A pristine copy of the installed LLaVA, to patch and to break."""

import os
import shutil
from pathlib import Path

import pytest

from llava_faba.host import patching
from llava_faba.host.fingerprints import installed_llava

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy_of_llava(tmp_path):
    """A folder that holds llava/, as site-packages or a checkout does."""
    shutil.copytree(installed_llava(), tmp_path / "tree" / "llava", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "tree"


@pytest.fixture
def patched(copy_of_llava):
    """The environment in which `import llava` finds a patched copy, and our plugin is installed."""
    patching.apply(copy_of_llava)
    metadata = copy_of_llava / "llava_faba-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: llava-faba\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[llava.plugins]\nfaba = llava_faba.plugin:attach\n")
    path = os.pathsep.join([str(copy_of_llava), str(REPOSITORY)])
    return {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
