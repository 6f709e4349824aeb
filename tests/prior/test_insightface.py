"""InsightFace's networks are fed as insightface and as EmoLA feed them; the graphs are random stand-ins."""

import multiprocessing
import pickle

import numpy as np
import pytest

from llava_faba.errors import InputError, MissingFileError
from llava_faba.face.detectors import DlibDetector, FaceBox
from llava_faba.face.images import read_pixels
from llava_faba.prior import build_prior
from llava_faba.prior.insightface import emola_blob
from tests.conftest import shared_path
from tests.prior.graphs import write_detector, write_graph

pytest.importorskip("insightface")
cv2 = pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return write_graph(tmp_path_factory.mktemp("model") / "2d106det.onnx")


@pytest.fixture(scope="module")
def crops():
    return [read_pixels(shared_path("faces", "images", f"eval_{n:04d}.jpg")) for n in range(12)]


def library_network(graph):
    from insightface.model_zoo import get_model

    network = get_model(str(graph), providers=["CPUExecutionProvider"])
    assert type(network).__name__ == "Landmark"
    return network


def test_raw_output_and_pixels_are_those_of_insightface_for_the_same_box(graph, crops):
    """The library's own route: get_model, then Landmark.get; its raw output by its own session, crop and blob."""
    from insightface.app.common import Face
    from insightface.utils import face_align

    prior, network, detector = build_prior("insightface_2d106", str(graph)), library_network(graph), DlibDetector()
    priors, valid = prior.extract(crops)
    assert valid.sum() >= 8
    for crop, vector in zip(np.array(crops, dtype=object)[valid], priors[valid], strict=True):
        crop = np.asarray(crop, np.uint8)
        box = detector.find_one(crop)
        edges = np.array([box.left, box.top, box.right, box.bottom], dtype=np.float64)
        bgr = np.ascontiguousarray(crop[..., ::-1])
        assert np.array_equal(prior.landmarks_px(crop), network.get(bgr, Face(bbox=edges)))
        centre, scale = (edges[:2] + edges[2:]) / 2, 192 / (max(edges[2:] - edges[:2]) * 1.5)
        square, _ = face_align.transform(bgr, centre, 192, scale, 0)
        blob = cv2.dnn.blobFromImage(square, 1.0, (192, 192), (0, 0, 0), swapRB=True)
        assert np.array_equal(vector, network.session.run(None, {"data": blob})[0][0])


def test_the_vector_is_not_the_pixels_that_landmark_get_writes_into_its_output(graph, crops):
    """Landmark.get turns the network's output into pixels in place; the prior must be what came before."""
    prior = build_prior("insightface_2d106", str(graph))
    vector, pixels = prior.measure(crops[0], FaceBox(20, 20, 140, 140, 1.0))
    side = 120 * 1.5
    np.testing.assert_allclose(vector.reshape(-1, 2) * side / 2 + 80, pixels, atol=1e-3)


def test_emola_is_fed_as_its_released_code_feeds_it(graph, crops):
    """EmoLA: cv2.imread's BGR, resize of the whole picture, / 255.0, channels first, session.run, [0][0]."""
    prior, session = build_prior("emola_2d106", str(graph)), library_network(graph).session
    for crop in [*crops[:4], crops[0][:90], np.zeros((30, 200, 3), np.uint8)]:
        bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
        blob = np.expand_dims(np.transpose(cv2.resize(bgr, (192, 192)) / 255.0, (2, 0, 1)), 0).astype(np.float32)
        priors, valid = prior.extract([crop])
        assert valid.all() and np.array_equal(priors[0], np.squeeze(session.run(None, {"data": blob})[0][0]))
        assert np.array_equal(emola_blob(crop), blob)
    assert prior.normalisation == "none" and build_prior("insightface_2d106", str(graph)).normalisation == "fit"


@pytest.mark.parametrize("name", ["emola_2d106", "insightface_2d106"])
def test_numbers_do_not_depend_on_the_batch_the_process_or_a_fork(name, graph, crops):
    prior = build_prior(name, str(graph))
    together = prior.extract(crops)[0]
    assert np.array_equal(together, np.concatenate([prior.extract([crop])[0] for crop in crops]))
    assert np.array_equal(together, pickle.loads(pickle.dumps(prior)).extract(crops)[0])
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert np.array_equal(together, pool.apply_async(prior.extract, [crops]).get(timeout=60)[0])


def test_threads_share_one_network(graph, crops):
    from concurrent.futures import ThreadPoolExecutor

    prior = build_prior("insightface_2d106", str(graph))
    crops = crops[:5]
    expected = build_prior("insightface_2d106", str(graph)).extract(crops)[0]
    with ThreadPoolExecutor(8) as pool:
        assert all(np.array_equal(priors, expected) for priors, _ in pool.map(lambda _: prior.extract(crops), range(8)))


def test_no_face_is_masked_where_the_face_is_looked_for(graph):
    grey = np.full((200, 200, 3), 127, np.uint8)
    assert not build_prior("insightface_2d106", str(graph)).extract([grey])[1].any()
    assert build_prior("emola_2d106", str(graph)).extract([grey])[1].all()  # EmoLA never looks


def test_the_version_follows_the_model_file_and_the_preprocessing(graph, tmp_path):
    other = write_graph(tmp_path / "other.onnx", seed=1)
    versions = {build_prior(n, str(f)).version for n in ("emola_2d106", "insightface_2d106") for f in (graph, other)}
    assert len(versions) == 4


def test_a_missing_model_file_is_said_by_name(tmp_path, monkeypatch):
    """A path that leads nowhere at once; a file that was never given when it is needed, which dim and name do not."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(MissingFileError, match=r"none\.onnx"):
        build_prior("emola_2d106", str(tmp_path / "none.onnx"))
    prior = build_prior("insightface_2d106")
    assert (prior.dim, prior.name) == (212, "insightface_2d106")
    for use in (lambda: prior.version, lambda: prior.extract([np.zeros((9, 9, 3), np.uint8)])):
        with pytest.raises(MissingFileError, match=r"2d106det\.onnx.*models get 2d106det"):
            use()


def test_1k3d68_is_insightfaces_last_68_points_and_its_pose(crops, tmp_path):
    from insightface.app.common import Face

    graph = write_graph(tmp_path / "1k3d68.onnx", outputs=3309)
    prior, network = build_prior("insightface_1k3d68", str(graph)), library_network(graph)
    priors, valid = prior.extract(crops)
    assert prior.dim == 207 and valid.sum() >= 8
    for number in np.flatnonzero(valid):
        box = prior.find(crops[number])
        face = Face(bbox=np.array([box.left, box.top, box.right, box.bottom], dtype=np.float64))
        pixels = network.get(np.ascontiguousarray(crops[number][..., ::-1]), face)
        assert np.array_equal(prior.landmarks_px(crops[number]), pixels[:, :2])
        assert np.array_equal(priors[number, 204:], face["pose"])
        side = max(box.right - box.left, box.bottom - box.top) * 1.5
        centre = np.array([box.left + box.right, box.top + box.bottom, 0]) / 2
        np.testing.assert_allclose(priors[number, :204].reshape(68, 3) * side / 2 + centre, pixels, atol=1e-2)


def test_arcface_is_insightfaces_embedding_of_the_same_five_points(crops, tmp_path):
    from insightface.app.common import Face
    from insightface.model_zoo import get_model

    graph = write_graph(tmp_path / "w600k_r50.onnx", outputs=512, side=112)
    prior, network = build_prior("insightface_arcface", str(graph)), get_model(str(graph))
    assert type(network).__name__ == "ArcFaceONNX"
    priors, valid = prior.extract(crops[:6])
    assert valid.sum() >= 4
    for number in np.flatnonzero(valid):
        face = Face(kps=prior.landmarks_px(crops[number]))
        network.get(np.ascontiguousarray(crops[number][..., ::-1]), face)
        np.testing.assert_allclose(priors[number], face.normed_embedding, atol=1e-6)


def test_the_folder_of_a_pack_brings_its_own_detector(graph, crops, tmp_path):
    """The box is then SCRFD's, and the version says so."""
    from insightface.app.common import Face

    crops = [crop for crop in crops if crop.shape == (160, 160, 3)]
    face = (20.0, 30.0, 130.0, 150.0, 0.9, 55, 70, 95, 70, 75, 95, 60, 115, 90, 115)
    scaled = tuple(4 * v if n != 4 else v for n, v in enumerate(face))  # crops of 160 px are fed at 640
    write_detector(tmp_path / "det_10g.onnx", 640, [scaled])
    (tmp_path / "2d106det.onnx").write_bytes(graph.read_bytes())
    prior, plain = build_prior("insightface_2d106", str(tmp_path)), build_prior("insightface_2d106", str(graph))
    priors, valid = prior.extract(crops[:3])
    assert valid.all() and prior.version != plain.version
    network = library_network(graph)
    pixels = network.get(np.ascontiguousarray(crops[0][..., ::-1]), Face(bbox=np.array(face[:4])))
    np.testing.assert_allclose(prior.landmarks_px(crops[0]), pixels, atol=1e-3)
    assert np.array_equal(pickle.loads(pickle.dumps(prior)).extract(crops[:3])[0], priors)


@pytest.mark.trust
def test_an_unreadable_or_wrong_shape_onnx_is_one_error_that_names_it(graph, crops, tmp_path):
    (tmp_path / "torn.onnx").write_bytes(graph.read_bytes()[:2000])
    (tmp_path / "text.onnx").write_text("no graph")
    (tmp_path / "empty.onnx").write_bytes(b"")
    write_graph(tmp_path / "long.onnx", outputs=100)
    write_graph(tmp_path / "small.onnx", side=112)
    write_graph(tmp_path / "quiet.onnx", outputs=100, batch="N")
    for name in ("torn", "text", "empty", "long", "small", "quiet"):
        for prior in ("emola_2d106", "insightface_2d106"):
            with pytest.raises(InputError, match=rf"{name}\.onnx"):
                build_prior(prior, str(tmp_path / f"{name}.onnx")).extract(crops[:1])
