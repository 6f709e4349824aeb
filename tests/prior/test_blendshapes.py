"""MediaPipe's blendshapes, as far as they can be tried: mediapipe is installed by few, its model file by fewer."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from llava_faba.errors import InputError, MissingDependencyError, MissingFileError
from llava_faba.face.images import read_pixels
from llava_faba.face.model_files import find_model
from llava_faba.prior import blendshapes, build_prior
from llava_faba.prior.blendshapes import blendshape_vector, import_problem
from tests.conftest import shared_path


def result(*faces):
    """What FaceLandmarker returns: a list of categories a face, here in any order."""
    return SimpleNamespace(face_blendshapes=[[SimpleNamespace(index=i, score=s) for i, s in face] for face in faces])


def test_coefficients_stand_at_mediapipes_own_index_and_no_face_is_none():
    vector = blendshape_vector(result([(51, 0.5), (0, 0.1), (44, 0.9)], [(3, 1.0)]))
    assert vector.dtype == np.float32 and vector.shape == (52,)
    np.testing.assert_allclose(vector[[0, 3, 44, 51]], [0.1, 0, 0.9, 0.5])
    assert blendshape_vector(result()) is None


def test_two_opencv_wheels_on_top_of_each_other_are_said(monkeypatch):
    installed = {"opencv-python", "opencv-contrib-python"}
    monkeypatch.setattr(blendshapes, "_is_installed", lambda name: name in installed)
    message = str(import_problem(AttributeError("module 'cv2' has no attribute 'x'")))
    assert "opencv-python and opencv-contrib-python" in message and "precomputed" in message
    installed.clear()
    assert "[mediapipe]" in str(import_problem(ModuleNotFoundError("No module named 'mediapipe'", name="mediapipe")))
    installed.add("mediapipe")
    assert "libGL" in str(import_problem(ImportError("libGL.so.1: cannot open shared object file")))


def test_a_missing_package_or_model_file_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(MissingFileError, match="models get face_landmarker"):
        _ = build_prior("mediapipe_blendshapes").version
    with pytest.raises(MissingFileError, match=r"none\.task"):
        build_prior("mediapipe_blendshapes", str(tmp_path / "none.task"))
    (tmp_path / "face_landmarker.task").write_bytes(b"nothing")
    prior = build_prior("mediapipe_blendshapes", str(tmp_path))
    assert prior.dim == 52 and pickle.loads(pickle.dumps(prior)).version == prior.version
    with pytest.raises(InputError) as error:
        prior.extract([np.zeros((60, 60, 3), np.uint8)])
    text = str(error.value)
    assert "[mediapipe]" in text if isinstance(error.value, MissingDependencyError) else "face_landmarker.task" in text


def test_smiles_are_read_off_real_faces():
    pytest.importorskip("mediapipe")
    if find_model("face_landmarker") is None:
        pytest.skip("face_landmarker.task is not on this machine: llava-faba models get face_landmarker")
    prior = build_prior("mediapipe_blendshapes")
    priors, valid = prior.extract([read_pixels(shared_path("faces", "images", f"eval_{n:04d}.jpg")) for n in range(12)])
    assert valid.sum() >= 6 and (priors >= 0).all() and (priors <= 1).all()
    assert not prior.extract([np.zeros((80, 80, 3), np.uint8)])[1].any()
