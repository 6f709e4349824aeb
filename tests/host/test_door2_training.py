"""Door 2: on a patched copy of LLaVA, LLaVA's own train_mem.py trains with a prior that is read from real faces."""

import re
import sys

import pytest

from llava_faba.model.weights import PRIOR_FILE, read_weights
from tests.train.runs import REPOSITORY, flags, lines, losses, run

PATHS = ("PYTHONPATH", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES")


@pytest.fixture(scope="module")
def real_faces(tmp_path_factory):
    """The quickstart's eight faces, cut out of pictures that installed packages carry; their training file."""
    pytest.importorskip("skimage")
    pytest.importorskip("dlib")
    folder = tmp_path_factory.mktemp("faces")
    ran = run([sys.executable, REPOSITORY / "scripts" / "quickstart" / "make_faces.py", folder])
    assert ran.returncode == 0, ran.stdout[-2000:]
    return folder / "train.json"


@pytest.mark.slow
def test_llavas_own_script_trains_with_dlib_landmarks(copy_of_llava, patched, tiny_llava, real_faces, tmp_path):
    """train_mem.py asks for flash attention, which is absent here; the run ends as door 1's do."""
    changes = {"facial_prior_tower": "dlib_68", "facial_prior_hidden_size": None, "max_steps": 4, "learning_rate": 5e-3}
    arguments = flags(tiny_llava, real_faces, tmp_path / "out", **changes)
    script = copy_of_llava / "llava" / "train" / "train_mem.py"
    ran = run([sys.executable, script, *arguments], cwd=tmp_path, **{name: patched[name] for name in PATHS})
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert re.search(r"facial prior projector +[\d,]+ +0\n", ran.stdout)
    assert "facial prior: dlib_68, 136 numbers, after the visual tokens, normalisation fitted" in ran.stdout
    assert len(lines(ran, "dlib_68: the 8 pictures without a stored prior are read now")) == 1
    assert len(losses(tmp_path / "out")) == 4
    trained = read_weights(tmp_path / "out" / PRIOR_FILE)
    assert trained["model.facial_prior_projector.0.weight"].shape == (64, 136)
    assert len(lines(ran, "next: llava-faba describe --model-path ")) == 1


@pytest.mark.slow
@pytest.mark.trust
def test_llavas_own_script_refuses_as_door_1_does(copy_of_llava, patched, tiny_llava, tmp_path):
    script = copy_of_llava / "llava" / "train" / "train_mem.py"
    arguments = flags(tiny_llava, tmp_path / "nowhere.json", tmp_path / "out", facial_prior_tower="dlib_68")
    ran = run([sys.executable, script, *arguments], **{name: patched[name] for name in PATHS})
    assert ran.returncode == 1 and "Traceback" not in ran.stdout
    assert len(lines(ran, "error: ")) == 1 and not (tmp_path / "out").exists()
