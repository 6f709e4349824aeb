"""Prior files are read strictly, and folders of another prior are refused."""

import json

import numpy as np
import pytest

from llava_faba.errors import InputError
from llava_faba.prior import PRIORS, FacialPrior, build_prior, check_manifest, prior_file_dim, read_prior_file


class Ruler(FacialPrior):
    """A prior with a name and a version, which is all that a manifest is compared with."""

    name, dim, version = "ruler", 4, "v2"

    def read(self, crop):
        return None


def save(path, array):
    np.save(path, array)
    return path


def test_a_vector_comes_back_as_float32_whatever_its_layout(tmp_path):
    """EmoLA's files hold (212,); other tools write (1, P) or points (P / 2, 2)."""
    for shape in ((4,), (1, 4), (2, 2)):
        path = save(tmp_path / "a.npy", np.arange(4, dtype=np.float64).reshape(shape))
        vector = read_prior_file(path, 4, "a")
        assert vector.dtype == np.float32 and vector.tolist() == [0, 1, 2, 3]
        assert prior_file_dim(path, "a") == 4


@pytest.mark.parametrize(
    "content",
    [np.zeros(5), np.full(4, np.nan), np.array([1, 2, np.inf, 4]), np.zeros(0), np.array(["a", "b", "c", "d"])],
)
def test_a_wrong_vector_is_an_error_that_names_sample_and_file(tmp_path, content):
    path = save(tmp_path / "wrong.npy", content)
    with pytest.raises(InputError, match=r"(?s)face-7.*wrong\.npy"):
        read_prior_file(path, 4, "face-7")


@pytest.mark.trust
def test_pickles_text_and_torn_files_are_refused_without_running_anything(tmp_path):
    class Bomb:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    whole = save(tmp_path / "whole.npy", np.zeros(400)).read_bytes()
    np.save(tmp_path / "pickle.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "torn.npy").write_bytes(whole[:200])
    (tmp_path / "text.npy").write_text("not numbers")
    (tmp_path / "empty.npy").write_bytes(b"")
    np.savez(tmp_path / "many", a=np.zeros(4))
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    for name in ("pickle", "torn", "text", "empty", "many"):
        with pytest.raises(InputError, match=f"{name}.npy"):
            read_prior_file(tmp_path / f"{name}.npy", 400, "face-7")
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_names_the_sample(tmp_path):
    with pytest.raises(InputError, match="face-7"):
        read_prior_file(tmp_path / "none.npy", 4, "face-7")


def test_a_manifest_of_another_prior_or_version_is_refused(tmp_path):
    folder = tmp_path / "priors" / "AffectNet"
    folder.mkdir(parents=True)
    check_manifest(folder, Ruler())
    manifest = tmp_path / "priors" / "manifest.json"
    manifest.write_text(json.dumps({"prior": "ruler", "version": "v2", "P": 4}))
    check_manifest(folder, Ruler())
    check_manifest(folder, build_prior("precomputed"))
    for other in ({"prior": "dlib_68", "version": "v2"}, {"prior": "ruler", "version": "v1"}):
        manifest.write_text(json.dumps(other))
        with pytest.raises(InputError, match="ruler"):
            check_manifest(folder, Ruler())
        check_manifest(folder, build_prior("precomputed"))
    for stranger in ("[1]", "{broken", '{"files": []}'):
        manifest.write_text(stranger)
        check_manifest(folder, Ruler())


def test_an_unknown_prior_lists_what_exists():
    with pytest.raises(InputError) as error:
        build_prior("lmk")
    assert all(name in str(error.value) for name in PRIORS)
