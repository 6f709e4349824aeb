"""`dlib_68` says what dlib says, seen from the eyes."""

import csv
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from llava_faba.face.images import read_image, read_pixels
from llava_faba.prior import build_prior
from tests.conftest import shared_path

dlib = pytest.importorskip("dlib")


@pytest.fixture(scope="module")
def prior():
    return build_prior("dlib_68")


def faces(split, step=1):
    folder = shared_path("faces")
    with open(folder / f"{split}.csv") as file:
        rows = list(csv.DictReader(file))[::step]
    assert rows
    return [folder / row["image"] for row in rows], np.array([row["label"] for row in rows])


def test_landmarks_are_those_of_dlib_called_directly(prior):
    """The package's own two calls, at the scale its examples use, on crops of 160 px."""
    detect = dlib.get_frontal_face_detector()
    predict = dlib.shape_predictor(str(prior._detector.model_file))
    compared = 0
    for path in faces("eval", step=6)[0]:
        pixels = read_pixels(path)
        boxes = detect(pixels, 1)
        if max(pixels.shape) != 160 or len(boxes) != 1:
            continue
        expected = np.array([(point.x, point.y) for point in predict(pixels, boxes[0]).parts()], dtype=float)
        assert np.array_equal(prior.landmarks_px(pixels), expected)
        left, right = expected[36:42].mean(0), expected[42:48].mean(0)
        along = (right - left) / np.linalg.norm(right - left)
        down = np.array([-along[1], along[0]])
        centred = (expected - (left + right) / 2) / np.linalg.norm(right - left)
        unit = np.stack([centred @ along, centred @ down], axis=1)
        np.testing.assert_allclose(prior.extract([pixels])[0][0].reshape(68, 2), unit, atol=1e-6)
        compared += 1
    assert compared > 15


def test_eyes_lie_on_the_unit_line_and_the_mouth_below_it(prior):
    priors, valid = prior.extract([read_pixels(path) for path in faces("eval", step=8)[0]])
    points = priors[valid].reshape(-1, 68, 2)
    assert len(points) > 15
    line = points[:, 42:48].mean(1) - points[:, 36:42].mean(1)
    np.testing.assert_allclose(line, np.tile([1.0, 0.0], (len(line), 1)), atol=1e-3)
    np.testing.assert_allclose(points[:, 36:48].mean(1), 0, atol=1e-3)
    assert (points[:, 48:68, 1].mean(1) > 0.4).all()


def test_rolling_the_photo_by_ten_degrees_barely_changes_the_prior(prior):
    changes = []
    for path in faces("eval", step=4)[0]:
        image = read_image(path)
        rolled = image.rotate(10, Image.Resampling.BICUBIC, expand=True)
        priors, valid = prior.extract([np.asarray(image), np.asarray(rolled)])
        if valid.all():
            changes.append(np.median(np.abs(priors[0] - priors[1])))
    assert len(changes) > 30
    assert np.median(changes) < 0.03


def test_at_least_82_percent_of_the_shared_faces_are_read(prior):
    priors, valid = prior.extract([read_pixels(path) for path in faces("train", step=10)[0]])
    assert valid.mean() >= 0.82
    assert not priors[~valid].any() and priors[valid].any(axis=1).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (12, 12, 3), (3, 900, 3), (300, 300, 3)])
def test_where_no_face_is_the_mask_says_so(prior, shape):
    noise = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    priors, valid = prior.extract([noise])
    assert priors.shape == (1, 136) and not valid.any()


def test_threads_and_a_pickled_copy_give_the_same_numbers(prior):
    from concurrent.futures import ThreadPoolExecutor

    crops = [read_pixels(path) for path in faces("eval", step=40)[0]]
    expected = prior.extract(crops)[0]
    with ThreadPoolExecutor(8) as pool:
        for priors, _ in pool.map(lambda _: prior.extract(crops), range(8)):
            assert np.array_equal(priors, expected)
    assert np.array_equal(pickle.loads(pickle.dumps(prior)).extract(crops)[0], expected)


def test_importing_the_registry_imports_no_measuring_package():
    program = (
        "import sys, llava_faba.prior; print({'dlib','onnxruntime','insightface','torch','cv2'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"


@pytest.mark.slow
def test_a_linear_probe_reads_the_expression(prior):
    """Multinomial logistic regression on standardised priors of the faces that were read, 7 labels: at least 53 %."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    measured = {}
    for split in ("train", "eval"):
        paths, labels = faces(split)
        priors, valid = prior.extract([read_pixels(path) for path in paths])
        measured[split] = priors[valid], labels[valid]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(*measured["train"])
    assert probe.score(*measured["eval"]) >= 0.53


def test_a_worker_forked_after_the_second_look_can_look_again(tmp_path):
    """dlib's convolutional detector has threads of its own, which a fork loses: the worker waited for ever."""
    noise = np.random.default_rng(0).integers(0, 255, (160, 160, 3), np.uint8)
    program = (
        "import multiprocessing, sys, numpy as np\n"
        "from llava_faba.face.detectors import DlibDetector\n"
        "detector, noise = DlibDetector(), np.load(sys.argv[1])\n"
        "assert detector.find_one(noise) is None\n"
        "with multiprocessing.get_context('fork').Pool(1) as pool:\n"
        "    assert pool.apply_async(detector.find_one, [noise]).get(timeout=60) is None\n"
    )
    np.save(tmp_path / "noise.npy", noise)
    ran = subprocess.run([sys.executable, "-c", program, tmp_path / "noise.npy"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
