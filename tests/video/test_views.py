"""What a model sees of a clip: colours, insightface's points, PFED5's released files, frames at rest, augmentations."""

from types import SimpleNamespace

import numpy as np
import pytest

from llava_faba.data.clips import read_samples, with_released
from llava_faba.errors import InputError, MissingFileError
from llava_faba.motion.clips import BadClip, Clip, read_clip
from llava_faba.motion.trajectory import EYE_CENTRES_73, PFED5_73
from llava_faba.video.tracks import read_track
from llava_faba.video.views import read_views
from tests.motion.clip_files import a_face, write_clip
from tests.prior.graphs import write_graph
from tests.video.released import write_released

FIELDS = {"motion_frames": 8, "motion_frames_at_rest": None, "motion_points": 68, "motion_model": None}
FIELDS |= {"motion_colour": False, "motion_normalisation": "head_free", "motion_sampling": "aligned"}
FIELDS |= {"picture_frames": 2}


def wanted(**changes) -> SimpleNamespace:
    return SimpleNamespace(**{**FIELDS, **changes})


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Clip:
    """Four frames of a face, of which the third is lit redder."""
    frames = [a_face()] * 4
    frames[2] = (frames[2] * np.array([1.0, 0.75, 0.75])).astype(np.uint8)
    return read_clip(write_clip(tmp_path_factory.mktemp("clip") / "face.mp4", frames), workers=1)


def test_colour_channels_are_the_pixels_under_the_landmarks(clip):
    without, views = (
        read_views(clip, wanted(motion_frames=4)),
        read_views(clip, wanted(motion_frames=4, motion_colour=True)),
    )
    plain, motion = without["motion"], views["motion"]
    assert plain.shape == (4, 68, 3) and motion.shape == (4, 68, 6) and motion.dtype == np.float32
    assert np.array_equal(motion[..., [0, 1, 5]], plain)
    red, green = motion[..., 2], motion[..., 3]
    x, y = np.round(clip.landmarks_px[0, 30]).astype(int)
    assert motion[0, 30, 2:5] == pytest.approx(a_face()[y, x] / 255, abs=0.08), "the nose tip's pixel"
    skin = slice(27, 36)
    assert np.abs(red[2, skin] - red[0, skin]).max() < 0.15
    assert (green[2, skin] < 0.87 * green[0, skin]).all(), "the third frame has lost some of its green"


def test_clips_at_rest_have_fewer_frames_and_empty_ones_behind(clip):
    config = wanted(motion_frames=8, motion_frames_at_rest=4)
    rest, smile = (read_views(clip, config, name) for name in ("sit_at_rest", "smile"))
    assert rest["motion"].shape == smile["motion"].shape == (8, 68, 3)
    assert rest["motion"][:4, 30, 2].all() and not rest["motion"][4:].any()
    assert smile["motion"][:, 30, 2].all() and rest["times"][3] == rest["times"][-1]


def test_training_views_are_augmented_and_repeatable(clip):
    config = wanted(motion_frames=4, picture_frames=2, motion_colour=True)
    plain = read_views(clip, config)
    drawn = [read_views(clip, config, None, np.random.default_rng(seed)) for seed in range(12)]
    again = read_views(clip, config, None, np.random.default_rng(3))
    assert all(np.array_equal(again[name], drawn[3][name]) for name in again)
    backwards = [not np.array_equal(views["motion"], plain["motion"]) for views in drawn]
    assert 0 < sum(backwards) < 12
    reverse = drawn[backwards.index(True)]
    assert np.array_equal(reverse["motion"], plain["motion"][::-1]) and np.array_equal(reverse["times"], plain["times"])
    assert {views["pictures"].shape for views in drawn} == {(2, 224, 224, 3)}
    means = np.array([views["pictures"].mean((1, 2)) for views in drawn])  # (12, 2 pictures, RGB)
    green = (means[..., 1] / means[..., 0]).min(axis=1)
    assert set(green < 0.88 * green.max()) == {True, False}, "some windows hold the third frame, some do not"


@pytest.mark.parametrize("points", [106, 73])
def test_insightfaces_points_are_read_where_the_clip_was_followed_by_dlib(clip, tmp_path, points):
    pytest.importorskip("insightface")
    config = wanted(motion_frames=4, motion_points=points, motion_model=str(write_graph(tmp_path / "2d106det.onnx")))
    views = read_views(clip, {106: config, 73: config}[points])
    assert views["motion"].shape == (4, points, 3) and views["motion"][..., :2].any()
    whole = read_views(clip, wanted(**{**vars(config), "motion_points": 106, "motion_normalisation": "constant_shift"}))
    part = read_views(clip, wanted(**{**vars(config), "motion_points": 73, "motion_normalisation": "constant_shift"}))
    assert whole["motion"][:, 33:] == pytest.approx(part["motion"], abs=1e-5), "73 are the 106 without the contour"


@pytest.fixture
def released(tmp_path):
    csv, frames, tracks, colours = write_released(tmp_path, {"p1": [0, 4], "p2": [4]}, {0: 0.0, 4: 0.006})
    samples = [with_released(sample, str(tracks), str(colours)) for sample in read_samples(csv, frames)]
    return SimpleNamespace(
        csv=csv, frames=frames, tracks=tracks, colours=colours, samples=samples, cache=tmp_path / "c"
    )


def test_pfed5s_released_trajectories_and_colours_are_read(released):
    """Both of 73 and of 74 points, without any face being looked for: the frames are noise."""
    for sample in released.samples:
        track = read_track(sample, released.cache)
        stored = np.load(sample.trajectory)
        assert np.array_equal(track.clip.landmarks_px, stored[:, -73:])
        views = read_views(track, wanted(motion_frames=16, motion_points=73, motion_colour=True), sample.expression)
        assert views["motion"].shape == (16, 73, 6) and views["pictures"].shape == (2, 256, 256, 3)
        kept = [index for index in range(73) if index not in EYE_CENTRES_73]
        colours = np.load(sample.colours) / 255
        assert views["motion"][0, kept, 2:5] == pytest.approx(colours[0], abs=1e-6)
        assert not views["motion"][:, list(EYE_CENTRES_73), 2:5].any()
        assert not set(EYE_CENTRES_73) & set(PFED5_73.table.ravel().tolist())


def test_released_files_that_do_not_fit_are_named(released):
    sample = released.samples[0]
    with pytest.raises(InputError, match="has 73 landmarks, and motion_points is 68"):
        read_views(read_track(sample, released.cache), wanted())
    np.save(sample.trajectory, np.load(sample.trajectory)[:-1])
    with pytest.raises(BadClip, match="has 63 frames, annotated are 64"):
        read_track(sample, released.cache)
    np.save(sample.trajectory, np.zeros((64, 68, 2)))
    with pytest.raises(InputError, match="73 or 74"):
        read_track(sample, released.cache)
    sample.trajectory.unlink()
    plain = read_samples(released.csv, released.frames)[0]
    with pytest.raises(MissingFileError, match="file of trajectory"):
        with_released(plain, str(released.tracks), None)


def test_a_clip_is_followed_once_for_all_variants_of_a_model(tmp_path, monkeypatch):
    from llava_faba.video import tracks

    write_clip(tmp_path / "a.mp4", [a_face()] * 3)
    (tmp_path / "data.json").write_text('[{"id": "a", "video": "a.mp4", "expression": "smile", "score": 1}]')
    (sample,) = read_samples(tmp_path / "data.json", tmp_path)
    first = read_track(sample, tmp_path / "cache")
    monkeypatch.setattr(tracks, "read_clip", None)
    second = read_track(sample, tmp_path / "cache")
    assert np.array_equal(first.clip.landmarks_px, second.clip.landmarks_px) and first.clip.path == second.clip.path
    assert {name: valid.tolist() for name, valid in first.clip.region_valid.items()} == {
        name: valid.tolist() for name, valid in second.clip.region_valid.items()
    }
