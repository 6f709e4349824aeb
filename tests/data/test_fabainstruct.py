"""Annotation files are read as released; anything else is refused with the file, the sample and what is allowed."""

import json
from pathlib import Path

import pytest

from llava_faba.data.doctor import examine
from llava_faba.data.fabainstruct import read_evaluation, read_training
from llava_faba.errors import InputError, MissingFileError

TURNS = [{"from": "human", "value": "What is the emotion?\n<image>"}, {"from": "gpt", "value": "Happiness."}]
TRAINING = {"source": "AffectNet", "image": "train/a/1.jpg", "id": "a/1", "conversations": TURNS}
EVALUATION = {"image": "test/2.jpg", "label": "1, 4, 12", "gpt4": "AU1 (Inner Brow Raiser): ..."}


def write(path, *entries):
    path.write_text(json.dumps(list(entries)))
    return path


def test_several_training_files_become_one_list(tmp_path):
    first = write(tmp_path / "emotion.json", TRAINING, {**TRAINING, "id": 7})
    second = write(tmp_path / "au.json", {key: TRAINING[key] for key in ("image", "conversations")})
    samples = read_training([first, second], tmp_path / "images")
    assert [sample.id for sample in samples] == ["a/1", "7", "train/a/1.jpg"]
    assert samples[0].image_path == (tmp_path / "images/train/a/1.jpg").resolve()
    assert samples[0].conversations == TURNS and samples[0].prior_path is None
    assert [sample.source for sample in samples] == [first, first, second]


def test_a_landmark_is_sought_beside_its_annotation_file_then_in_the_image_root(tmp_path):
    root, store = tmp_path / "images", tmp_path / "priors"
    for file in (root / "landmarks/1.npy", store / "2.npy"):
        file.parent.mkdir(parents=True)
        file.touch()
    entries = [{**TRAINING, "landmark": "landmarks/1.npy"}, {**TRAINING, "landmark": "2.npy"}]
    stored, beside = read_training([write(store / "data.json", *entries)], root)
    assert stored.prior_path == (root / "landmarks/1.npy").resolve()
    assert beside.prior_path == (store / "2.npy").resolve()


@pytest.mark.parametrize("link", ["images", "images/train", "images/train/a/1.jpg"])
def test_the_users_own_links_are_followed(tmp_path, link):
    """EmoLA's data/FABAInstruct and LLaVA's playground/data are folders of links to a shared copy."""
    real, place = tmp_path / "shared" / link, tmp_path / "work" / link
    real.parent.mkdir(parents=True), place.parent.mkdir(parents=True)
    if link.endswith(".jpg"):
        real.touch()
    else:
        (real / Path("images/train/a/1.jpg").relative_to(link)).parent.mkdir(parents=True)
        (real / Path("images/train/a/1.jpg").relative_to(link)).touch()
    place.symlink_to(real)
    (sample,) = read_training([write(tmp_path / "work/x.json", TRAINING)], tmp_path / "work/images")
    assert (
        sample.image_path.is_file() and examine(tmp_path / "work/x.json", tmp_path / "work/images").kind == "training"
    )
    assert not [d for d in examine(tmp_path / "work/x.json", tmp_path / "work/images").defects if d.defect == "path"]


def test_text_without_an_image_may_stand_among_faces(tmp_path):
    entry = {"id": "chat", "conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi"}]}
    (sample,) = read_training([write(tmp_path / "x.json", entry)], None)
    assert sample.image is None and sample.image_path is None


@pytest.mark.parametrize(
    ("label", "task", "text"),
    [
        *[("1, 4, 12", "au", "1, 4, 12"), ([1, 4], "au", "1, 4"), (4, "au", "4"), ("", "au", ""), (None, "au", None)],
        *[("Happiness", "emotion", "Happiness"), (3, "emotion", "3"), ("contempt", "emotion", "contempt")],
    ],
)
def test_a_label_stays_as_it_is_written(tmp_path, label, task, text):
    (sample,) = read_evaluation(write(tmp_path / "x.json", {**EVALUATION, "label": label}), tmp_path, task)
    assert (sample.id, sample.label, sample.reference) == ("test/2.jpg", text, EVALUATION["gpt4"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"conversations": None}, "no `conversations`"),
        ({"conversations": TURNS[:1]}, "no answer"),
        ({"conversations": TURNS[::-1]}, "role 'gpt' in turn 1"),
        ({"conversations": [TURNS[0], {"from": "assistant", "value": "x"}]}, "role 'assistant' in turn 2"),
        ({"conversations": [{"from": "human", "value": "What?"}, TURNS[1]]}, "0 x `<image>`"),
        ({"conversations": [TURNS[0], {"from": "gpt", "value": "<image> x"}]}, "2 x `<image>`"),
        ({"conversations": [TURNS[0], {"from": "gpt", "value": " "}]}, "empty text in turn 2"),
        ({"conversations": [TURNS[0], {"from": "gpt", "value": 3}]}, "turn 2"),
        ({"image": 3}, "the image 3"),
        ({"image": "../x.jpg"}, "not inside"),
        ({"image": "/etc/passwd"}, "not inside"),
        ({"image": "a\0.jpg"}, "not inside"),
        ({"landmark": "../../x.npy"}, "not inside"),
        ({"landmark": 5}, "landmark 5"),
    ],
)
def test_a_training_sample_that_is_wrong_is_refused_by_name(tmp_path, change, complaint):
    path = write(tmp_path / "x.json", TRAINING, {**TRAINING, "id": "face-7", **change})
    with pytest.raises(InputError, match="face-7") as refusal:
        read_training([path], tmp_path)
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "task", "complaint"),
    [
        ({}, "emotion", "none of the task 'emotion'"),
        ({"label": "Happiness"}, "au", "none of the task 'au'"),
        ({"label": {"AU": 1}}, "au", "has the label"),
        ({"gpt4": 3}, "au", "`gpt4` that is a int"),
        ({"label": None, "gpt4": None, "conversations": TURNS}, "au", "training sample"),
        ({"image": ""}, "au", "the image ''"),
    ],
)
def test_an_evaluation_sample_that_is_wrong_is_refused_by_name(tmp_path, change, task, complaint):
    path = write(tmp_path / "x.json", {**EVALUATION, "id": "face-7", **change})
    with pytest.raises(InputError, match="face-7") as refusal:
        read_evaluation(path, tmp_path, task)
    assert complaint in str(refusal.value)


def test_an_id_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"test/2\.jpg.*twice"):
        read_evaluation(write(tmp_path / "x.json", EVALUATION, EVALUATION), tmp_path, "au")


@pytest.mark.parametrize("text", ['{"image": "a.jpg"}', "[]", '["a.jpg"]', '[{"label": "Happiness"}]', '"x"'])
def test_json_that_is_not_faba_instruct_is_refused_with_the_files_name(tmp_path, text):
    (tmp_path / "odd.json").write_text(text)
    for read in (lambda p: read_training([p], tmp_path), lambda p: read_evaluation(p, tmp_path, "emotion")):
        with pytest.raises(InputError, match=r"odd\.json"):
            read(tmp_path / "odd.json")


def test_a_missing_annotation_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.json does not exist"):
        read_training([tmp_path / "none.json"], tmp_path)


def test_a_training_set_with_images_needs_their_root(tmp_path):
    with pytest.raises(InputError, match="--image_folder"):
        read_training([write(tmp_path / "x.json", TRAINING)], None)
