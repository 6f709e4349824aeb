"""Faces as a pandas DataFrame, by the starter: a row a face, under the names that Py-Feat's users know."""

import numpy as np
import pytest
from PIL import Image

from llava_faba import read_faces
from llava_faba.errors import InputError
from llava_faba.starter.folder import NOTICE
from llava_faba.vocabulary import EMOTIONS
from tests.conftest import shared_path
from tests.motion.clip_files import a_face, write_clip

pytest.importorskip("pandas", reason="read_faces returns a pandas DataFrame")


def test_a_row_a_face_with_landmarks_pose_emotions_and_aus(capsys):
    photo = shared_path("faces", "multi_face.jpg")
    table = read_faces(photo, evidence=True)
    assert capsys.readouterr().err.count(NOTICE) == 1
    assert len(table) == 5 and set(table["input"]) == {str(photo)} and list(table["face_id"]) == [0, 1, 2, 3, 4]
    assert table["emotion"].notna().all() and table["unread"].fillna("").eq("").all()
    assert np.allclose(table[[emotion.lower() for emotion in EMOTIONS]].sum(axis=1), 1, atol=1e-3)
    assert all(row[row["emotion"].lower()] >= 0.14 for _, row in table.iterrows())
    x, y = table[[f"x_{n}" for n in range(68)]], table[[f"y_{n}" for n in range(68)]]
    width, height = Image.open(photo).size
    assert x.to_numpy().min() > 0 and x.to_numpy().max() < width and y.to_numpy().max() < height
    inside = (table["x_30"] - table["FaceRectX"]) / table["FaceRectWidth"]
    assert inside.between(0, 1).all(), "the tip of the nose lies in the face's box"
    assert table[["supported_au", "contradicted_au"]].sum().sum() > 0 and table["mouth_width"].between(0.3, 3).any()
    assert {"Pitch", "Roll", "Yaw", "X", "Y", "Z"} <= set(table), "py-feat 2.1.5, feat/data.py: Fex.poses takes all six"
    assert table[["X", "Y", "Z"]].isna().all(axis=None)
    assert table[["Pitch", "Roll", "Yaw"]].abs().to_numpy().max() < 45


def test_clips_pictures_and_what_holds_no_face_stand_in_one_table(tmp_path):
    write_clip(tmp_path / "clip.mp4", [a_face()] * 6, [0, 200, 400, 600, 800, 1000])
    Image.fromarray(a_face()).save(tmp_path / "face.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    table = read_faces(tmp_path, fps=2, probabilities=False).set_index("input")
    names = {name: str(tmp_path / name) for name in ("clip.mp4", "face.png", "black.png")}
    assert table.loc[[names["clip.mp4"]], "frame"].tolist() == [0, 3, 5]
    assert table.loc[names["face.png"], "emotion"] == table.loc[[names["clip.mp4"]], "emotion"].iloc[0]
    assert table.loc[names["black.png"], "unread"] == "no face was found"


def test_a_person_keeps_the_identity_where_face_ids_go_by_size(tmp_path):
    """The face that comes nearer becomes face 0; who it is does not change."""
    face = Image.fromarray(a_face())
    small, large = face.resize((200, 200)), face.resize((260, 260))
    frames = []
    for left, right in ((large, small), (small, large)):
        frame = Image.new("RGB", (640, 320), "gray")
        frame.paste(left, (20, 20))
        frame.paste(right, (340, 20))
        frames.append(np.asarray(frame))
    write_clip(tmp_path / "two.mp4", frames, [0, 500])
    table = read_faces(tmp_path / "two.mp4", fps=2, probabilities=False)
    assert table["face_id"].tolist() == [0, 1, 0, 1]
    assert table["Identity"].tolist() == ["Person_0", "Person_1", "Person_1", "Person_0"]
    is_left = table["FaceRectX"] + table["FaceRectWidth"] / 2 < 320
    assert is_left.tolist() == [True, False, False, True]


def test_what_is_not_there_is_one_error(tmp_path):
    with pytest.raises(InputError):
        read_faces(tmp_path / "none.jpg")
