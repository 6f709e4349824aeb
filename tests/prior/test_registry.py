"""Every prior of the design is there, third parties can add theirs, and several can be joined."""

import pickle
from importlib import metadata

import numpy as np
import pytest

from llava_faba.errors import InputError
from llava_faba.face.images import read_pixels
from llava_faba.prior import PRIORS, build_prior, prior_names
from llava_faba.prior.base import FacialPrior
from tests.conftest import shared_path
from tests.prior.graphs import write_graph

DESIGN = {  # key -> P
    "emola_2d106": 212,
    "insightface_2d106": 212,
    "insightface_1k3d68": 207,
    "insightface_arcface": 512,
    "dlib_68": 136,
    "expression": 7,
    "mediapipe_blendshapes": 52,
    "precomputed": 0,
}


class Brightness(FacialPrior):
    """A third party's prior: the mean of each channel."""

    name, dim, version = "brightness", 3, "1"

    def read(self, crop):
        return crop.mean(axis=(0, 1)).astype(np.float32)


class Nobody(Brightness):
    """A prior that never reads a face."""

    name = "nobody"

    def read(self, crop):
        return None


def entry_points(*points):
    return lambda group: [metadata.EntryPoint(name, value, group) for name, value in points]


def test_the_registry_holds_the_priors_of_the_design_and_building_opens_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert {name: build_prior(name).dim for name in PRIORS} == DESIGN
    assert all(build_prior(name).name == name for name in PRIORS)
    assert [n for n in PRIORS if build_prior(n).identifies] == ["insightface_arcface"]
    for name in ("emola_2d106", "insightface_1k3d68", "insightface_arcface", "mediapipe_blendshapes"):
        with pytest.raises(InputError, match="models get"):
            _ = build_prior(name).version


def test_an_installed_package_brings_a_prior_by_its_entry_point(monkeypatch):
    monkeypatch.setattr(metadata, "entry_points", entry_points(("brightness", f"{__name__}:Brightness")))
    assert prior_names() == [*PRIORS, "brightness"]
    prior = build_prior("brightness")
    assert prior.extract([np.full((4, 4, 3), 7, np.uint8)])[0].tolist() == [[7, 7, 7]]
    with pytest.raises(InputError, match="brightness"):
        build_prior("unknown")


def test_one_name_for_two_priors_is_an_error(monkeypatch):
    for name in ("dlib_68", "brightness"):
        points = [(name, f"{__name__}:Brightness"), (name, f"{__name__}:Nobody")]
        monkeypatch.setattr(metadata, "entry_points", entry_points(*points))
        with pytest.raises(InputError, match=name):
            build_prior("elsewhere")


def test_joined_priors_are_the_single_ones_side_by_side(monkeypatch, tmp_path):
    pytest.importorskip("dlib")
    pytest.importorskip("insightface")
    monkeypatch.setitem(PRIORS, "brightness", Brightness)
    graph = str(write_graph(tmp_path / "2d106det.onnx"))
    prior = build_prior("dlib_68+emola_2d106", graph)
    assert prior.sizes == [136, 212] and prior.dim == 348 and prior.normalisation == "fit"
    crops = [read_pixels(shared_path("faces", "images", f"eval_{n:04d}.jpg")) for n in range(6)]
    priors, valid = prior.extract(crops)
    first, first_valid = build_prior("dlib_68").extract(crops)
    second, _ = build_prior("emola_2d106", graph).extract(crops)
    assert np.array_equal(valid, first_valid) and 0 < valid.sum()
    assert np.array_equal(priors[valid], np.concatenate([first, second], axis=1)[valid])
    assert not priors[~valid].any()
    assert np.array_equal(pickle.loads(pickle.dumps(prior)).extract(crops)[0], priors)
    assert prior.version == f"{build_prior('dlib_68').version}+{build_prior('emola_2d106', graph).version}"


def test_a_face_counts_only_where_every_part_has_read_it(monkeypatch):
    monkeypatch.setitem(PRIORS, "brightness", Brightness)
    monkeypatch.setitem(PRIORS, "nobody", Nobody)
    assert build_prior("brightness").extract([np.ones((2, 2, 3), np.uint8)])[1].all()
    assert not build_prior("brightness+nobody").extract([np.ones((2, 2, 3), np.uint8)])[1].any()


def test_each_part_of_a_joined_prior_can_have_its_own_model_file(tmp_path):
    pytest.importorskip("insightface")
    a, b = (str(write_graph(tmp_path / f"{n}.onnx", seed=n)) for n in (1, 2))
    prior = build_prior("emola_2d106+insightface_2d106", f"emola_2d106={a},insightface_2d106={b}")
    assert [str(part.model_file) for part in prior.parts] == [a, b]
    for name, file in (("dlib_68+dlib_68", None), ("dlib_68+", None), ("dlib_68+emola_2d106", f"other={a}")):
        with pytest.raises(InputError):
            build_prior(name, file)


def test_precomputed_learns_its_length_from_a_file_or_a_stores_manifest(tmp_path):
    np.save(tmp_path / "face.npy", np.zeros(35))
    assert build_prior("precomputed", str(tmp_path / "face.npy")).dim == 35
    with pytest.raises(InputError, match=r"manifest\.json"):
        build_prior("precomputed", str(tmp_path))
    (tmp_path / "manifest.json").write_text('{"prior": "openface", "P": 709}')
    assert build_prior("precomputed", str(tmp_path)).dim == 709
    with pytest.raises(InputError, match="landmark"):
        build_prior("precomputed").extract([np.zeros((5, 5, 3), np.uint8)])
