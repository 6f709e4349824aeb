"""Pictures of priors for people: what they read in a face, and whether they vary over a data set."""

import json

import numpy as np
import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.errors import InputError
from llava_faba.prior.base import FacialPrior
from llava_faba.prior.report import measure_spread
from tests.conftest import shared_path
from tests.prior.graphs import write_graph


class Ten(FacialPrior):
    """A prior of ten numbers, which only its files know."""

    name, dim, version = "ten", 10, "1"

    def read(self, crop):
        return None


def files(folder, vectors):
    for number, vector in enumerate(vectors):
        np.save(folder / f"{number}.npy", vector)
    return sorted(folder.glob("*.npy"))


def test_mean_and_spread_are_numpys_even_where_hardly_anything_varies(tmp_path):
    rng = np.random.default_rng(0)
    vectors = (rng.normal(0, 1e-6, (40, 10)) + 1000 * rng.normal(size=10)).astype(np.float32)
    (spread,) = measure_spread(Ten(), files(tmp_path, vectors), 50)
    np.testing.assert_allclose(spread.mean, vectors.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(spread.std, vectors.astype(np.float64).std(0), rtol=1e-6, atol=1e-12)
    assert spread.is_nearly_constant and spread.record()["read_percent"] == 80


def test_a_vector_that_moves_by_a_tenth_of_its_extent_varies(tmp_path):
    rng = np.random.default_rng(0)
    (spread,) = measure_spread(Ten(), files(tmp_path, rng.normal(0, 0.1, (40, 10)) + np.linspace(-1, 1, 10)), 40)
    assert not spread.is_nearly_constant and 0.1 < spread.relative < 0.25
    with pytest.raises(InputError, match="unread"):
        measure_spread(Ten(), [], 40)


def test_the_report_shows_at_a_glance_that_emolas_preprocessing_hardly_varies(tmp_path, capsys):
    """On the stand-in network too: 1/255 of the contrast reaches it."""
    pytest.importorskip("dlib")
    pytest.importorskip("insightface")
    graph = write_graph(tmp_path / "2d106det.onnx")
    samples = [{"image": f"images/eval_{n:04d}.jpg"} for n in range(12)]
    (tmp_path / "data.json").write_text(json.dumps(samples))
    command = ["priors", str(tmp_path / "data.json"), "--image-root", str(shared_path("faces"))]
    command += ["--prior", "emola_2d106+insightface_2d106", "--model-file", str(graph), "--workers", "1"]
    command += ["--out", str(tmp_path / "out"), "--report", str(tmp_path / "report.png"), "--json"]
    assert cli.main(command) == 0
    captured = capsys.readouterr()
    emola, insightface = json.loads(captured.out)["spread"]
    assert emola["nearly_constant"] and not insightface["nearly_constant"]
    assert "emola_2d106" in captured.err and "NEARLY CONSTANT" in captured.err
    picture = np.asarray(Image.open(tmp_path / "report.png").convert("RGB")).astype(int)
    red = (picture[..., 0] > 150) & (picture[..., 1] < 90)
    assert red[: len(red) // 2].mean() > 0.02 and red[len(red) // 2 :].mean() < 0.001


def test_the_preview_draws_each_prior_and_says_what_is_missing(tmp_path, capsys, monkeypatch):
    pytest.importorskip("dlib")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    photo = str(shared_path("faces", "multi_face.jpg"))
    assert cli.main(["priors", "--preview", photo, "--out", str(tmp_path / "one.png"), "--prior", "dlib_68"]) == 0
    assert "dlib_68: read" in capsys.readouterr().err
    picture = np.asarray(Image.open(tmp_path / "one.png").convert("RGB")).astype(int)
    green = (picture[..., 1] > 200) & (picture[..., 0] < 120) & (picture[..., 2] < 120)
    assert 50 < green.sum() < 3000
    assert cli.main(["priors", "--preview", photo, "--out", str(tmp_path / "all.png"), "--json"]) == 0
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert problems["dlib_68"] is None and "models get 2d106det" in problems["emola_2d106"]
    assert "insightface_arcface" not in problems and (tmp_path / "all.png").exists()


def test_missing_flags_are_named(tmp_path, capsys):
    assert cli.main(["priors", "data.json", "--out", str(tmp_path)]) == 2
    assert "--prior is not given" in capsys.readouterr().err
    assert cli.main(["priors", "--preview", "face.jpg", "--out", str(tmp_path / "x.jpg")]) == 2
    assert cli.main(["priors", "--preview", "none.jpg", "--out", str(tmp_path / "x.png")]) == 2
