"""From any photo to upright face crops that know the way back."""

import json
from functools import cache

import numpy as np
import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.errors import InputError
from llava_faba.face.crop import alignment, build_detector, crop_file, find_faces, parse_faces, warp
from llava_faba.face.detectors import DlibDetector
from llava_faba.face.images import read_pixels
from llava_faba.face.landmarks import HEAD, HEAD_POINTS, eye_centres, five_points, head_pose, interocular
from llava_faba.face.quality import LIMITS, region_spread, sharpness
from tests.conftest import shared_path

pytest.importorskip("dlib")


@cache
def group():
    return find_faces(read_pixels(shared_path("faces", "multi_face.jpg")), detector=DlibDetector(second_look=False))


@cache
def unread():
    """Six portraits that HOG alone does not read."""
    hog, found = DlibDetector(second_look=False), []
    for number in range(198):
        pixels = read_pixels(shared_path("faces", "images", f"eval_{number:04d}.jpg"))
        if hog.find_one(pixels) is None:
            found.append(pixels)
        if len(found) == 6:
            break
    return found


def portrait():
    return read_pixels(shared_path("faces", "images", "train_0003.jpg"))


def test_every_bare_face_of_a_group_photo_is_found_largest_first():
    """Five people; dlib's HOG detector does not see the one behind sunglasses."""
    centres = sorted(((f.box.left + f.box.right) // 2, (f.box.top + f.box.bottom) // 2) for f in group())
    expected = [(370, 302), (480, 268), (575, 378), (732, 362)]
    assert len(centres) == 4
    assert all(abs(np.subtract(a, b)).max() < 15 for a, b in zip(centres, expected, strict=True))
    areas = [face.box.area for face in group()]
    assert areas == sorted(areas, reverse=True)


def test_the_second_look_finds_the_face_behind_sunglasses():
    faces = find_faces(read_pixels(shared_path("faces", "multi_face.jpg")), quality=False)
    boxes = {(face.box.left, face.box.top) for face in faces}
    assert len(faces) == 5 and boxes > {(face.box.left, face.box.top) for face in group()}


def test_the_second_look_reads_most_portraits_that_hog_misses_and_invents_no_face():
    found = [box for pixels in unread() if (box := DlibDetector().find_one(pixels)) is not None]
    assert len(unread()) == 6 and len(found) >= 4
    for pixels, box in zip(unread(), found, strict=False):
        assert 0.2 * max(pixels.shape) < box.right - box.left < 1.5 * max(pixels.shape)
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, 200).astype(np.uint8)[:, None, None], (200, 300, 3))
    assert DlibDetector().find_one(noise) is None and DlibDetector().find_one(np.ascontiguousarray(ramp)) is None


def test_in_a_crop_the_eyes_are_level_and_centred():
    for face in group():
        left, right = eye_centres(face.landmarks_in_crop)
        assert abs(left[1] - right[1]) < 1e-6
        assert abs(left[0] + right[0] - 335) < 2 * 0.05 * 336
        assert 0.2 * 336 < left[1] < 0.5 * 336
        assert face.pixels.shape == (336, 336, 3) and face.pixels.dtype == np.uint8


def test_the_affine_map_leads_back_to_the_photo():
    """A photo whose red is its x and whose green is its y: every crop pixel says where it came from."""
    y, x = np.mgrid[0:200, 0:240]
    photo = np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)
    landmarks = group()[1].landmarks_px
    landmarks = (landmarks - landmarks.mean(0)) * 1.2 + (120, 100)
    for side in (64, 150, 336):
        affine = alignment(landmarks, side, 0.0)
        crop = warp(photo, affine, side).astype(float)
        grid = np.stack(np.meshgrid(np.arange(8, side - 8), np.arange(8, side - 8)), axis=2)
        expected = grid @ affine[:, :2].T + affine[:, 2]
        assert expected.min() > 0 and expected.max() < 200
        assert np.abs(crop[8:-8, 8:-8, :2] - expected).max() < 1.1


def test_turning_the_photo_by_exif_or_by_hand_gives_the_same_crop(tmp_path):
    image = Image.fromarray(portrait())
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "sideways.png", exif=exif)
    image.save(tmp_path / "upright.png")
    sideways, upright = (crop_file(tmp_path / f"{name}.png")[0] for name in ("sideways", "upright"))
    assert np.array_equal(sideways.pixels, upright.pixels)


def test_a_rolled_photo_gives_nearly_the_same_crop():
    face = find_faces(portrait(), "largest", side=96)[0]
    rolled = np.asarray(Image.fromarray(portrait()).rotate(15, Image.Resampling.BICUBIC, expand=True))
    other = find_faces(rolled, "largest", side=96)[0]
    middle = slice(24, 72)
    assert np.abs(face.pixels[middle, middle].astype(float) - other.pixels[middle, middle]).mean() < 12
    assert abs(face.quality.roll - other.quality.roll - 15) < 4


def test_a_crop_is_found_again_in_itself():
    for face in group():
        again = find_faces(face.pixels, "largest", quality=False)[0]
        shift = np.hypot(*(again.landmarks_px - face.landmarks_in_crop).T) / interocular(again.landmarks_px)
        assert np.median(shift) < 0.05


def test_all_largest_and_by_index_agree():
    pixels = read_pixels(shared_path("faces", "multi_face.jpg"))
    assert find_faces(pixels, 1, quality=False)[0].box == group()[1].box
    assert find_faces(pixels, 9, quality=False) == []
    assert len(find_faces(pixels, "largest", quality=False)) == 1


def test_fifty_faces_are_all_found():
    face = Image.fromarray(group()[0].pixels).resize((110, 110))
    photo = Image.new("RGB", (1400, 720), "gray")
    for n in range(50):
        photo.paste(face, (15 + 138 * (n % 10), 10 + 142 * (n // 10)))
    assert len(find_faces(np.asarray(photo), quality=False)) == 50


@pytest.mark.parametrize("what", ["blank", "tiny", "half"])
def test_where_no_face_can_be_read_there_is_no_crop(what):
    photo = Image.new("RGB", (400, 300), "white")
    if what == "tiny":
        photo.paste(Image.fromarray(portrait()).resize((12, 12)), (200, 100))
    if what == "half":
        photo = Image.fromarray(portrait()[:, : portrait().shape[1] // 3])
    assert find_faces(np.asarray(photo)) == []


def test_pose_is_read_off_a_turned_model_head():
    for pitch, yaw, roll in ((0, 0, 0), (20, 0, 0), (0, 30, 0), (0, -30, 10), (-15, 20, -25)):
        p, y, r = np.radians([pitch, yaw, roll])
        facing = np.array([np.sin(y), np.sin(p), np.sqrt(1 - np.sin(y) ** 2 - np.sin(p) ** 2)])
        right = np.cross([0, 1, 0], facing) / np.linalg.norm(np.cross([0, 1, 0], facing))
        right = np.array([right[0], 0, right[2]])
        down = np.cross(facing, right)
        turn = np.array([[np.cos(r), -np.sin(r)], [np.sin(r), np.cos(r)]])
        landmarks = np.zeros((68, 2))
        points = HEAD @ np.stack([right, down, facing], axis=1).T
        landmarks[HEAD_POINTS] = points[:, :2] @ turn.T * 0.3 + 100
        np.testing.assert_allclose(head_pose(landmarks)[1], yaw, atol=1.5)
        np.testing.assert_allclose(head_pose(landmarks)[0], pitch, atol=3)


def test_a_mirrored_face_has_the_opposite_yaw():
    yaws = []
    for n in range(0, 60, 4):
        pixels = read_pixels(shared_path("faces", "images", f"train_{n:04d}.jpg"))
        pair = [find_faces(p, "largest") for p in (pixels, np.ascontiguousarray(pixels[:, ::-1]))]
        if all(pair):
            yaws.append([faces[0].quality.yaw for faces in pair])
    yaws = np.array(yaws)
    assert len(yaws) > 8 and np.corrcoef(yaws.T)[0, 1] < -0.8


def test_blurring_lowers_sharpness_and_contrast_does_not():
    from PIL import ImageEnhance, ImageFilter

    face = Image.fromarray(group()[0].pixels)
    sharp = sharpness(np.asarray(face))
    assert sharpness(np.asarray(face.filter(ImageFilter.GaussianBlur(8)))) < 0.5 * sharp
    assert abs(sharpness(np.asarray(ImageEnhance.Contrast(face).enhance(0.5))) / sharp - 1) < 0.1
    assert sharpness(np.zeros((50, 50, 3), np.uint8)) == 0


def test_a_painted_over_region_is_not_valid_and_the_others_are():
    detector, verdicts = DlibDetector(), []
    for face in group():
        pixels = read_pixels(shared_path("faces", "multi_face.jpg"))
        mouth = face.landmarks_px[48:68]
        (x0, y0), (x1, y1) = mouth.min(0).astype(int) - 6, mouth.max(0).astype(int) + 6
        pixels[y0:y1, x0:x1] = pixels[int(face.landmarks_px[30, 1]) + 2, int(face.landmarks_px[3, 0]) + 12]
        spread = region_spread(pixels, face.box, detector)
        verdicts.append({region: spread[region] <= limit for region, limit in LIMITS.items()})
    assert all(all(face.quality.valid.values()) for face in group())
    assert sum(v["mouth"] for v in verdicts) <= 1
    assert sum(v["eyes"] for v in verdicts) >= 3


def scrfd(folder, faces, photo_side=1000):
    """A stand-in for SCRFD that finds the five points of `faces`, as insightface would feed it at 640 px."""
    from tests.prior.graphs import write_detector

    found = []
    for face in faces:
        points = five_points(face.landmarks_px)
        (x0, y0), (x1, y1) = points.min(0) - 30, points.max(0) + 30
        found.append([v * 640 / photo_side for v in (x0, y0, x1, y1)] + [0.8] + list(points.ravel() * 640 / photo_side))
    return build_detector("insightface", write_detector(folder / "det_10g.onnx", 640, found))


def test_scrfd_finds_what_insightfaces_own_class_finds(tmp_path):
    pytest.importorskip("insightface")
    from insightface.model_zoo.scrfd import SCRFD

    detector = scrfd(tmp_path, group())
    bgr = np.ascontiguousarray(read_pixels(shared_path("faces", "multi_face.jpg"))[..., ::-1])
    boxes, points = SCRFD(str(tmp_path / "det_10g.onnx")).detect(bgr, input_size=(640, 640), det_thresh=0.5)
    found = detector.find_all(bgr[..., ::-1])
    assert len(found) == len(boxes) == 4
    for box, row, five in zip(found, boxes, points, strict=True):
        assert (box.left, box.top, box.right, box.bottom, box.score) == tuple(map(float, row))
        assert np.array_equal(np.array(box.points, np.float32), five)


def test_both_detectors_give_nearly_the_same_crop_of_a_face(tmp_path):
    pytest.importorskip("insightface")
    detector = scrfd(tmp_path, group())
    photo = read_pixels(shared_path("faces", "multi_face.jpg"))
    faces = sorted(find_faces(photo, detector=detector), key=lambda face: face.landmarks_px[30, 0])
    for face, other in zip(faces, sorted(group(), key=lambda face: face.landmarks_px[30, 0]), strict=True):
        shift = np.hypot(*(face.landmarks_px - other.landmarks_px).T) / interocular(other.landmarks_px)
        assert np.median(shift) < 0.04
        assert face.quality.valid == other.quality.valid


@pytest.mark.parametrize("wrong", [("scrfd", None), ("insightface", None), ("insightface", "none.onnx")])
def test_an_unknown_detector_and_a_missing_file_are_errors(wrong):
    with pytest.raises(InputError):
        build_detector(*wrong)


@pytest.mark.slow
def test_a_hand_before_the_mouth_makes_the_mouth_invalid_and_not_the_brows():
    """woman_expressions.mp4: a hand covers the mouth from about frame 60 to 230, and dlib goes on inventing it."""
    av = pytest.importorskip("av")
    clip = shared_path("video", "woman_expressions.mp4")
    seen = {"covered": [], "free": []}
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 5 == 0:
                faces = find_faces(frame.to_ndarray(format="rgb24"), "largest")
                assert len(faces) == 1
                seen["covered" if 62 <= number <= 228 else "free"].append(faces[0].quality.valid)
    assert np.mean([v["mouth"] for v in seen["covered"]]) < 0.05
    assert np.mean([v["brows"] for v in seen["covered"]]) > 0.95
    assert np.mean([v["mouth"] for v in seen["free"]]) > 0.95


def test_the_command_writes_crops_records_and_the_whole_list_of_failures(tmp_path, capsys):
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    Image.fromarray(portrait()).save(photos / "sub" / "face.png")
    Image.open(shared_path("faces", "multi_face.jpg")).save(photos / "group.jpg")
    Image.new("RGB", (50, 50)).save(photos / "blank.png")
    (photos / "text.jpg").write_text("no picture")
    (photos / "notes.txt").write_text("not looked at")
    out = tmp_path / "out"
    assert cli.main(["crop", str(photos), str(out), "--faces", "all", "--overlay", "--json", "--size", "128"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert records == [json.loads(line) for line in (out / "faces.jsonl").read_text().splitlines()]
    assert [r["crop"] for r in records] == [*(f"group_{n}.jpg" for n in range(5)), "sub/face_0.jpg"]
    assert {Image.open(out / r["crop"]).size for r in records} == {(128, 128)}
    assert set(records[0]["quality"]["valid"]) == {"brows", "eyes", "mouth"}
    failed = [json.loads(line) for line in (out / "failed.jsonl").read_text().splitlines()]
    assert [f["photo"] for f in failed] == ["blank.png", "text.jpg"] and "text.jpg" in failed[1]["reason"]
    assert Image.open(out / "overlays" / "group.jpg").size == (1000, 667)
    assert cli.main(["crop", str(photos / "blank.png"), str(tmp_path / "none")]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ["--faces", "best"],
        ["--size", "3"],
        ["--margin", "9"],
        ["--detector", "other"],
        ["--detector", "insightface"],
        ["--detector", "insightface", "--detector-model", "none.onnx"],
    ],
)
def test_wrong_flags_are_refused_before_anything_is_written(tmp_path, wrong, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    Image.fromarray(portrait()).save(tmp_path / "face.png")
    assert cli.main(["crop", str(tmp_path / "face.png"), str(tmp_path / "out"), *wrong]) == 2
    assert not (tmp_path / "out").exists()
    assert cli.main(["crop", str(tmp_path / "none.png"), str(tmp_path / "out")]) == 2
    with pytest.raises(InputError):
        parse_faces("-1")
