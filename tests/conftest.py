"""What all tests share: where the reference material is, and quiet libraries."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("LLAVA_FABA_SHARED", REPOSITORY.parent / "shared"))


def shared_path(*parts: str) -> Path:
    """A file or folder of the reference material; the test is skipped, with the reason, where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference material is absent: {path}")
    return path


def other_environment(name: str, how: str) -> Path:
    """The interpreter of the environment NAME beside this one, or at LLAVA_FABA_NAME; skipped, with `how`, without."""
    place = Path(os.environ.get(f"LLAVA_FABA_{name.upper()}", Path(sys.prefix).parent / name))
    if not (place / "bin/python").exists():
        pytest.skip(f"the environment {name} is absent: {place} ({how})")
    return place / "bin/python"


@pytest.fixture(autouse=True, scope="session")
def memory_is_given_back() -> Iterator[None]:
    """A command keeps its process's memory until it ends; here one process runs many, and others measure its size."""
    from llava_faba import processes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "keep_memory", lambda: None)
        yield


pytest_plugins = ["tests.tiny"]
