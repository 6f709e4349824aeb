"""Trajectories: what each normalisation removes, what is sampled, and what the masks do."""

import numpy as np
import pytest

from llava_faba.errors import InputError
from llava_faba.motion.trajectory import (
    DLIB_68,
    INSIGHTFACE_106,
    normalise,
    picture_indices,
    sample_indices,
    trajectory_of,
)
from tests.motion.test_measures import a_smile, face, moved

__all__ = ["face"]


def test_tables_name_points_of_their_layout_and_as_many_in_each_part():
    for layout in (DLIB_68, INSIGHTFACE_106):
        assert layout.table.shape[0] == 7 and 0 <= layout.table.min() and layout.table.max() < layout.points
    assert INSIGHTFACE_106.table.shape == (7, 9)
    flat = INSIGHTFACE_106.table.ravel()
    assert len(set(flat)) == 61, "TraMP-Former uses 61 distinct points, two of them twice"
    assert flat.min() >= 33, "none of the 33 of the contour"


def test_removing_the_heads_motion_leaves_the_faces_own(face):
    shapes = a_smile(face, 0.3)
    still, wandering = (normalise(landmarks, DLIB_68) for landmarks in (100 * shapes, moved(shapes)))
    assert np.abs(still - wandering).max() < 1e-9


def test_the_published_shift_subtracts_the_first_nose_tip_and_nothing_else(face):
    landmarks = moved(a_smile(face, 0.3))
    shifted = normalise(landmarks, DLIB_68, "constant_shift")
    unit = np.linalg.norm(landmarks[0, 36:42].mean(0) - landmarks[0, 42:48].mean(0))
    assert shifted * unit == pytest.approx(landmarks - landmarks[0, 30])
    assert np.ptp(shifted[:, 30, 0]) > 1, "the head's motion stays"


def test_published_sampling_takes_the_last_frames_and_repeats_short_clips():
    assert sample_indices(np.arange(200) / 30, 128, "published").tolist() == list(range(72, 200))
    assert sample_indices(np.arange(3) / 30, 8, "published").tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert picture_indices(np.arange(160) / 30, 80, "published")[[0, -1]].tolist() == [0, 159]


def test_aligned_sampling_follows_time_not_frame_numbers():
    times = np.array([0.0, 0.1, 0.2, 0.3, 1.0])
    assert sample_indices(times, 3).tolist() == [0, 3, 4]
    assert picture_indices(times, 3).tolist() == sample_indices(times, 3).tolist()


def test_points_that_are_not_valid_are_zero_and_marked(face):
    landmarks = a_smile(face, 0.3)
    landmarks[10:] = np.nan
    valid = np.ones(landmarks.shape[:2], bool)
    valid[:, 48:] = False
    motion = trajectory_of(landmarks, valid, np.arange(90) / 30, 16).motion
    assert motion.dtype == np.float32 and np.isfinite(motion).all()
    assert not motion[:, 48:].any() and not motion[2:].any()
    assert motion[0, :48, 2].all()


def test_unknown_layouts_and_names_are_refused(face):
    with pytest.raises(InputError, match="98 landmarks"):
        trajectory_of(np.zeros((4, 98, 2)), np.ones((4, 98), bool), np.arange(4.0), 4)
    with pytest.raises(InputError, match="motion_normalisation"):
        normalise(face[None], DLIB_68, "none")
