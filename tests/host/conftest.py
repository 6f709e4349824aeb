"""A pristine copy of the installed LLaVA, to patch and to break."""

import shutil

import pytest

from llava_faba.host.fingerprints import installed_llava


@pytest.fixture
def copy_of_llava(tmp_path):
    """A folder that holds llava/, as site-packages or a checkout does."""
    shutil.copytree(installed_llava(), tmp_path / "tree" / "llava", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "tree"
