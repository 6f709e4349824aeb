"""Clips: exact times, one face that is followed, and no track where there is none."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from llava_faba.face.crop import find_faces
from llava_faba.face.detectors import FaceBox
from llava_faba.face.landmarks import interocular
from llava_faba.motion.clips import crop_frames, follow_clip, read_clip
from llava_faba.motion.frames import BadClip, read_frames, read_header
from llava_faba.motion.tracking import SeenFace, SeenFrame, link
from tests.conftest import shared_path
from tests.motion.clip_files import a_face, turn_container, write_clip, write_sound


@pytest.fixture(scope="module")
def black():
    return np.zeros_like(a_face())


def test_times_are_those_of_the_container_also_at_a_variable_rate(tmp_path, black):
    times = [0, 40, 80, 200, 240, 400]
    path = write_clip(tmp_path / "vfr.mp4", [a_face()] * 6, times)
    clip = read_clip(path, workers=1)
    assert clip.times.tolist() == pytest.approx([time / 1000 for time in times], abs=1e-6)
    assert clip.fps == pytest.approx(5 / 0.4)
    assert any("frame rate varies: frames are 40 to 160 ms" in warning for warning in clip.warnings)


def test_a_phones_rotation_is_applied(tmp_path):
    upright = a_face()
    stored = np.rot90(upright, 1)  # a clockwise turn brings it upright
    clip = read_clip(turn_container(write_clip(tmp_path / "phone.mp4", [stored] * 3)), workers=1)
    plain = read_clip(write_clip(tmp_path / "plain.mp4", [upright] * 3), workers=1)
    assert clip.valid.all()
    distance = np.linalg.norm(clip.landmarks_px - plain.landmarks_px, axis=-1).mean()
    assert distance < 0.05 * interocular(plain.landmarks_px[0])


def test_a_face_that_leaves_is_masked_with_a_warning_and_no_track_is_invented(tmp_path, black):
    frames = [a_face()] * 4 + [black] * 4 + [a_face()] * 2
    clip = read_clip(write_clip(tmp_path / "gone.mp4", frames), workers=1)
    assert clip.valid.tolist() == [True] * 4 + [False] * 6, "behind a cut it may be another person"
    assert np.isnan(clip.landmarks_px[4:]).all()
    assert clip.warnings[0] == "The face is not seen at 0.16-0.36 s; nothing is measured there."


def test_a_face_that_is_hidden_for_a_moment_is_followed_on(tmp_path):
    face = a_face()
    hidden = face.copy()
    hidden[:, 150:500] = hidden[:, 150:500].mean(axis=(0, 1))  # the surroundings stay: no cut
    clip = read_clip(write_clip(tmp_path / "hidden.mp4", [face] * 3 + [hidden] * 3 + [face] * 3), workers=1)
    assert clip.valid.tolist() == [True] * 3 + [False] * 3 + [True] * 3


def test_the_largest_face_keeps_its_identity_beside_another(tmp_path):
    face = a_face()[:, 100:540]
    small = np.asarray(Image.fromarray(face).resize((352, 288)))
    frames = []
    for step in range(6):
        canvas = np.zeros((360, 820, 3), np.uint8)
        canvas[:, :440] = face
        canvas[40:328, 442 + 4 * step : 794 + 4 * step] = small
        frames.append(canvas)
    clip = read_clip(write_clip(tmp_path / "two.mp4", frames), workers=1)
    assert clip.valid.all() and (clip.landmarks_px[:, 30, 0] < 440).all()
    assert any("Other faces are seen" in warning for warning in clip.warnings)


@pytest.mark.trust
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: write_sound(path), "has no video stream, only audio"),
        (lambda path: write_clip(path, [a_face()]), "has one frame only"),
        (lambda path: write_clip(path, [np.zeros((120, 160, 3), np.uint8)] * 3), "No face is found in any of the 3"),
        (lambda path: path.write_bytes(b"not a film at all" * 99), "cannot be opened"),
        (lambda path: path.write_bytes(b""), "cannot be opened"),
        (lambda path: path.mkdir(), "holds no pictures"),
    ],
    ids=["sound", "one-frame", "no-face", "no-film", "empty", "empty-folder"],
)
def test_what_is_no_clip_of_a_face_gets_one_clear_error(tmp_path, make, message):
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(BadClip, match=message):
        read_clip(path, workers=1)


@pytest.mark.trust
def test_a_truncated_clip_is_refused_wherever_it_is_cut(tmp_path):
    whole = shared_path("video", "woman_expressions.mp4").read_bytes()
    for share in (0.02, 0.5, 0.9):
        path = tmp_path / "cut.mp4"
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(BadClip, match=r"truncated|cannot be opened"):
            list(read_frames(path))


@pytest.mark.trust
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("kind", ["mkv", "avi"])
def test_a_clip_that_can_be_read_without_its_end_is_still_known_to_be_cut(tmp_path, kind, share):
    """Matroska counts no frames, and its frames can be decoded up to the cut."""
    path = write_clip(tmp_path / f"clip.{kind}", [np.roll(a_face(), 3 * step, 1) for step in range(20)])
    assert len(list(read_frames(path))) == 20
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(BadClip, match=r"truncated|cannot be opened"):
        list(read_frames(path))


def test_a_folder_of_frames_is_read_in_the_order_of_its_numbers(tmp_path):
    for number in (1, 2, 10):
        Image.fromarray(np.full((40, 60, 3), 20 * number, np.uint8)).save(tmp_path / f"frame_{number}.png")
    frames = list(read_frames(tmp_path, fps=10))
    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [20, 40, 200]
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.2])


def test_large_frames_are_reduced_and_landmarks_stay_in_the_clips_pixels(tmp_path):
    large = np.asarray(a_face()).repeat(4, axis=0).repeat(4, axis=1)  # 2560 x 1440
    clip = read_clip(write_clip(tmp_path / "large.mp4", [large] * 2), workers=1)
    plain = read_clip(write_clip(tmp_path / "plain.mp4", [a_face()] * 2), workers=1)
    assert interocular(clip.landmarks_px[0]) == pytest.approx(4 * interocular(plain.landmarks_px[0]), rel=0.05)
    assert np.abs(clip.landmarks_px[0] / 4 - plain.landmarks_px[0]).mean() < 2


def test_crops_show_the_face_upright(tmp_path):
    clip = read_clip(write_clip(tmp_path / "face.mp4", [a_face()] * 3), workers=1)
    crops = crop_frames(clip, [2, 0])
    assert crops.shape == (2, 256, 256, 3) and crops.mean() > 40
    found = find_faces(crops[0], "largest", quality=False)[0].landmarks_px
    assert found[36:48, 1].mean() < found[30, 1] < found[48:, 1].mean(), "eyes above nose above mouth"
    assert found[36:42, 0].mean() < found[42:48, 0].mean()


@pytest.mark.slow
def test_masks_of_the_shared_clips_are_right_and_do_not_depend_on_the_workers():
    woman = read_clip(shared_path("video", "woman_expressions.mp4"))
    assert woman.frames == 472 and woman.valid_share == 1
    assert 0.5 <= woman.region_valid_share["mouth"] <= 0.8
    assert woman.region_valid_share["brows"] > 0.85
    covered = woman.times[~woman.region_valid["mouth"]]
    assert 2.0 < covered.min() < 3.0 and 9.0 < covered.max() < 10.0, "a hand covers it from about frame 60 to 230"
    gone = shared_path("video", "face_then_no_face.mov")
    two, one = read_clip(gone, workers=2), read_clip(gone, workers=1)
    assert 0.3 <= two.valid_share <= 0.6
    assert np.array_equal(two.landmarks_px, one.landmarks_px, equal_nan=True)


@pytest.mark.trust
@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '{0}'\n"])
def test_a_list_of_other_files_is_no_clip_whatever_its_name(text, tmp_path):
    """FFmpeg by itself opens what such a list names, files and addresses."""
    other = write_clip(tmp_path / "other.mp4", [a_face()] * 3)
    (tmp_path / "list.mp4").write_text(text.format(other.name))
    with pytest.raises(BadClip, match="cannot be opened"):
        list(read_frames(tmp_path / "list.mp4"))


def test_the_header_says_how_long_a_clip_is(tmp_path):
    header = read_header(write_clip(tmp_path / "face.mp4", [a_face()] * 10))
    assert (header.width, header.height, header.frames) == (640, 360, 10)
    assert header.seconds == pytest.approx(0.4, abs=0.05)


def test_following_a_clip_in_steps_gives_the_same_clip(tmp_path):
    path = write_clip(tmp_path / "face.mp4", [a_face()] * 5)
    steps, times = follow_clip(path, workers=1), []
    while True:
        try:
            times.append(next(steps))
        except StopIteration as done:
            clip = done.value
            break
    whole = read_clip(path, workers=1)
    assert times == clip.times.tolist() and np.array_equal(clip.landmarks_px, whole.landmarks_px)


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    path = write_clip(tmp_path / "wide.mp4", [a_face()] * 2, aspect=Fraction(4, 3))
    assert next(iter(read_frames(path))).pixels.shape == (360, 853, 3)


def test_a_broken_picture_is_a_gap_and_many_are_refused(tmp_path):
    for number in range(8):
        Image.fromarray(a_face()).save(tmp_path / f"{number}.jpg")
    (tmp_path / "3.jpg").write_bytes((tmp_path / "3.jpg").read_bytes()[:900])
    clip = read_clip(tmp_path, fps=50, workers=1)
    assert clip.valid.tolist() == [True] * 3 + [False] + [True] * 4 and clip.fps == pytest.approx(50)
    assert any("1 of 8 frames cannot be decoded (0.06 s)" in warning for warning in clip.warnings)
    for number in (4, 5):
        (tmp_path / f"{number}.jpg").write_bytes(b"no picture")
    with pytest.raises(BadClip, match="cannot be read"):
        list(read_frames(tmp_path))


def test_a_clip_that_was_cut_out_without_encoding_it_anew_is_read(tmp_path):
    """An mp4 that was trimmed by `-ss 2 -c copy` stores more than its edit list shows; it was called truncated."""
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    for start, seconds in ((1.3, 2.0), (9.7, 1.5)):
        path = tmp_path / "cut.mp4"
        source = str(shared_path("video", "woman_expressions.mp4"))
        cut = ["-loglevel", "error", "-y", "-ss", str(start), "-i", source, "-t", str(seconds), "-c", "copy", str(path)]
        subprocess.run([ffmpeg, *cut], check=True)
        times = [frame.time for frame in read_frames(path)]
        assert times[0] == 0 and seconds - 0.1 < times[-1] < seconds + 0.5


def seen_face(box, seed):
    """A found face whose portrait and bones are those of person `seed`."""
    person = np.random.default_rng(seed)
    portrait = person.normal(size=(24, 24))
    bones = person.normal(size=(15, 2))
    return SeenFace(FaceBox(*box, score=1.0), np.zeros((68, 2)), {}, portrait, bones)


def tracks_of(people, seconds=0.04):
    frames = [SeenFrame([seen_face((0, 0, 9, 9), seed)] if seed else [], np.zeros((18, 32))) for seed in people]
    tracks, cuts = link(frames, [seconds * index for index in range(len(people))])
    return sorted([index for index, _ in track.places] for track in tracks), cuts


def test_the_same_face_is_taken_up_again_after_it_was_hidden_and_another_is_not():
    hidden = [0] * 60
    assert tracks_of([1] * 5 + hidden + [1] * 5) == ([[*range(5), *range(65, 70)]], [])
    assert tracks_of([1] * 5 + hidden + [2] * 5) == ([[*range(5)], [*range(65, 70)]], [])


def test_a_cut_to_somebody_else_in_the_same_place_is_noticed():
    assert tracks_of([1] * 5 + [2] * 4) == ([[*range(5)], [*range(5, 9)]], [5])


def test_every_clip_of_a_run_may_use_workers():
    """tqdm's monitor thread stays behind after the first bar, and all later clips were read by one process."""
    program = """
from tqdm import TMonitor, tqdm
from llava_faba.processes import can_fork
monitor = TMonitor(tqdm, 10)
print(can_fork())
monitor.exit()
"""  # in a process of its own: other tests leave threads behind, which rightly count
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "True\n"
