"""Runs that several tests look at are made once: the watched run of each launcher, with checkpoints."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.train.runs import deepspeed_flag, flags, make_data, train


@dataclass(frozen=True)
class Finished:
    """A run that ended well: where it wrote, what was watched, what it printed, and its flags."""

    launcher: str
    out: Path
    spy: Path
    output: str
    changes: dict


@pytest.fixture(scope="session")
def face_data(tmp_path_factory) -> Path:
    """The training file of twelve pictures with recorded priors."""
    return make_data(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="session")
def finished(tiny_llava, face_data, tmp_path_factory):
    """finished(launcher, **changed flags) -> Finished; eight steps over three epochs, checkpoints after 4 and 8."""
    known: dict[tuple, Finished] = {}

    def make(launcher: str = "plain", **changes) -> Finished:
        key = (launcher, *sorted(changes.items()))
        if key not in known:
            folder = tmp_path_factory.mktemp(launcher)
            steps = {"max_steps": 8, "num_train_epochs": 3, "save_strategy": "steps", "save_steps": 4}
            batch = {"per_device_train_batch_size": 4 if launcher == "plain" else 2}
            changed = {**steps, **batch, **deepspeed_flag(launcher), **changes}
            (folder / "spy").mkdir()
            ran = train(
                flags(tiny_llava, face_data, folder / "out", **changed),
                launcher,
                "tests.train.spy",
                SPY=str(folder / "spy"),
            )
            assert ran.returncode == 0, ran.stdout[-4000:]
            known[key] = Finished(launcher, folder / "out", folder / "spy", ran.stdout, changed)
        return known[key]

    return make
