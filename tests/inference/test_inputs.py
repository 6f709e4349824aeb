"""What a user points at is found, in order, and what cannot be read keeps its place."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

from llava_faba.errors import InputError, MissingFileError
from llava_faba.inference.inputs import estimate_sightings, find_files, name_of, see_files
from tests.conftest import shared_path


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a/2.JPG", "a/1.webp", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 6), "red").save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "a.jpg").mkdir()  # a folder, whatever it is called
    return tmp_path


def grey_clip(path, times_ms):
    from tests.motion.clip_files import write_clip

    pytest.importorskip("av")
    return write_clip(path, [np.full((64, 96, 3), 9 * n, np.uint8) for n in range(len(times_ms))], times_ms)


def names(folder, inputs):
    return [path.relative_to(folder).as_posix() for path in find_files([str(text) for text in inputs])]


def test_a_folder_is_searched_with_its_subfolders_by_name(folder):
    assert names(folder, [folder]) == ["a/1.webp", "a/2.JPG", "b.png", "c.png"]


def test_a_glob_matches_and_nothing_comes_twice(folder):
    assert names(folder, [folder / "*.png"]) == ["b.png", "c.png"]
    assert names(folder, [folder / "**" / "*.webp"]) == ["a/1.webp"]
    assert names(folder, [folder / "*"]) == ["a/1.webp", "a/2.JPG", "b.png", "c.png"]
    assert names(folder, [folder / "c.png", folder]) == ["c.png", "a/1.webp", "a/2.JPG", "b.png"]


def test_a_file_that_is_named_is_read_whatever_its_name_ends_in(folder):
    assert names(folder, [folder / "notes.txt"]) == ["notes.txt"]
    (seen,) = see_files([folder / "notes.txt"], 1)
    assert seen.pixels is None and "notes.txt cannot be decoded" in seen.reason


def test_a_name_with_magic_characters_is_a_name_first(folder):
    Image.new("RGB", (8, 6)).save(folder / "me[1].png")
    assert names(folder, [folder / "me[1].png"]) == ["me[1].png"]


@pytest.mark.parametrize("what", ["empty", "*.tiff", "gone"])
def test_nothing_to_read_is_one_error_in_three_sentences(folder, what):
    (folder / "empty").mkdir()
    with pytest.raises(InputError) as error:
        find_files([str(folder / what)])
    assert all(part.endswith(".") for part in (error.value.got, error.value.allowed, error.value.remedy))
    assert what in error.value.got
    assert isinstance(error.value, MissingFileError) == (what == "gone")


def test_a_clip_gives_the_first_frame_at_or_after_each_step_with_its_own_time(tmp_path):
    clip = grey_clip(tmp_path / "clip.mp4", [0, 40, 500, 1200, 1900, 2000, 2040, 4500])
    seen = list(see_files([clip], 1))
    assert [(s.frame, s.time) for s in seen] == [(0, 0), (3, 1.2), (5, 2), (7, 4.5)]
    assert [round(s.pixels.mean() / 9) for s in seen] == [0, 3, 5, 7]
    assert len(list(see_files([clip], 1000))) == 8
    assert [s.frame for s in see_files([clip], 0.25)] == [0, 7]


def test_steps_of_a_tenth_lose_no_frame_to_rounding(tmp_path):
    clip = grey_clip(tmp_path / "clip.mp4", [100 * n for n in range(24)])
    assert [s.frame for s in see_files([clip], 10)] == list(range(24))
    assert [s.frame for s in see_files([clip], 5)] == list(range(0, 24, 2))
    assert estimate_sightings(clip, 5) in (12, 13)


def test_only_the_first_file_begins_later(tmp_path):
    clips = [grey_clip(tmp_path / f"{n}.mp4", [0, 1000, 2000]) for n in range(2)]
    assert [(s.name[-5], s.frame) for s in see_files(clips, 1, 1)] == [("0", 1), ("0", 2), ("1", 0), ("1", 1), ("1", 2)]


@pytest.mark.trust
def test_a_clip_that_breaks_off_gives_its_frames_then_the_reason_and_the_next_file(tmp_path):
    pytest.importorskip("av")
    whole = shared_path("video", "woman_expressions.mp4").read_bytes()
    cut, after = tmp_path / "cut.mp4", tmp_path / "after.png"
    cut.write_bytes(whole[: int(0.2 * len(whole))])
    Image.new("RGB", (8, 6)).save(after)
    *frames, end, picture = see_files([cut, after], 2)
    assert frames and [round(2 * s.time) for s in frames] == list(range(len(frames)))
    assert end.frame is None and "cut.mp4 is truncated" in end.reason
    assert picture.name == str(after) and picture.pixels is not None


def test_what_is_no_clip_is_one_sighting_without_a_frame(tmp_path):
    (tmp_path / "clip.mp4").write_text("no video")
    (seen,) = see_files([tmp_path / "clip.mp4"], 1)
    assert seen.frame is None and seen.pixels is None and "cannot be opened" in seen.reason
    assert estimate_sightings(tmp_path / "clip.mp4", 1) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
@pytest.mark.trust
def test_a_name_that_is_no_text_can_be_written(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        with open(path, "wb") as file:
            Image.new("RGB", (8, 6)).save(file, "PNG")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (found,) = find_files([str(tmp_path)])
    assert name_of(found).encode().endswith(b"/caf\\udce9.png")
    (seen,) = see_files([found], 1)
    assert seen.pixels.shape == (6, 8, 3) and seen.name == name_of(found)
