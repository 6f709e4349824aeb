"""Every defect is found, with the sample it is in, and a healthy file has none."""

import json
import re
from itertools import chain

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from llava_faba import cli
from llava_faba.data.doctor import DEFECTS, examine
from llava_faba.data.fabainstruct import read_evaluation, read_training
from llava_faba.data.prompts import INSTRUCTIONS, QUESTIONS
from llava_faba.data.statistics import sample_task
from llava_faba.errors import InputError

TURNS = [{"from": "human", "value": "What is the emotion?\n<image>"}, {"from": "gpt", "value": "Happiness, a smile."}]
HUMAN, GPT = TURNS

TRAINING_DEFECTS = {  # what is changed in a good sample -> the defects it then has
    "gpt first": ({"conversations": [GPT, HUMAN]}, ["wrong-role", "wrong-role", "image-mark"]),
    "unknown role": ({"conversations": [HUMAN, {**GPT, "from": "assistant"}]}, ["wrong-role"]),
    "no answer": ({"conversations": [HUMAN]}, ["wrong-role"]),
    "no mark": ({"conversations": [{**HUMAN, "value": "What?"}, GPT]}, ["image-mark"]),
    "two marks": ({"conversations": [{**HUMAN, "value": "<image><image>x"}, GPT]}, ["image-mark"]),
    "mark in the answer": ({"conversations": [HUMAN, {**GPT, "value": "<image> x"}]}, ["image-mark"]),
    "end mark": ({"conversations": [HUMAN, {**GPT, "value": "x</s>y"}]}, ["end-mark"]),
    "empty answer": ({"conversations": [HUMAN, {**GPT, "value": " "}]}, ["no-text"]),
    "text no text": ({"conversations": [HUMAN, {**GPT, "value": 3}]}, ["no-text"]),
    "turn no object": ({"conversations": [HUMAN, "x"]}, ["no-text"]),
    "no conversations": ({"conversations": []}, ["no-conversations"]),
    "out of the root": ({"image": "../x.jpg"}, ["path"]),
    "absolute": ({"image": "/etc/hostname"}, ["path"]),
    "missing": ({"image": "none.jpg"}, ["missing-image"]),
    "broken": ({"image": "broken.jpg"}, ["unreadable-image"]),
    "text as image": ({"image": "text.jpg"}, ["unreadable-image"]),
    "no prior": ({"landmark": "none.npy"}, ["unreadable-prior"]),
    "prior out of the root": ({"landmark": "/x.npy"}, ["path"]),
    "NaN": ({"landmark": "nan.npy"}, ["unreadable-prior"]),
    "other length": ({"landmark": "short.npy"}, ["misshapen-prior"]),
    "several": (
        {"image": "none.jpg", "landmark": "nan.npy", "conversations": []},
        ["no-conversations", "missing-image", "unreadable-prior"],
    ),
}
EVALUATION_DEFECTS = {
    ("au", "no space"): ({"label": "1,4"}, ["label-spacing"]),
    ("au", "two spaces"): ({"label": "1,  4"}, ["label-spacing"]),
    ("au", "no AU"): ({"label": "1, 99"}, ["unknown-au"]),
    ("au", "AU written out"): ({"label": "1, 4, x"}, ["unknown-au"]),
    ("au", "no label"): ({"label": None}, ["no-label"]),
    ("au", "no reference"): ({"gpt4": ""}, ["no-reference"]),
    ("au", "dots"): ({"gpt4": "..."}, ["no-reference"]),
    ("au", "no image"): ({"image": None}, ["no-image"]),
    ("emotion", "small letters"): ({"label": "happiness"}, ["unknown-emotion"]),
    ("emotion", "contempt"): ({"label": "Contempt"}, ["unknown-emotion"]),
    ("emotion", "index 7"): ({"label": 7}, ["unknown-emotion"]),
    ("emotion", "an AU"): ({"label": "1, 4"}, ["unknown-emotion"]),
}


@pytest.fixture
def root(tmp_path):
    for number in range(4):
        Image.fromarray(np.full((30, 30, 3), 40 * number, np.uint8)).save(tmp_path / f"{number}.jpg")
        np.save(tmp_path / f"{number}.npy", np.full(212, number, np.float32))
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "1.jpg").read_bytes()[:300])
    (tmp_path / "text.jpg").write_text("no picture")
    np.save(tmp_path / "nan.npy", np.full(212, np.nan, np.float32))
    np.save(tmp_path / "short.npy", np.zeros(136, np.float32))
    return tmp_path


def training(root, *changed):
    entries = [{"id": f"a/{n}", "image": f"{n}.jpg", "landmark": f"{n}.npy", "conversations": TURNS} for n in range(3)]
    return write(root, entries + [{**entries[0], "id": f"sick/{n}", **change} for n, change in enumerate(changed)])


def evaluation(root, task, *changed):
    labels = {"au": ["1, 4", "", "12"], "emotion": ["Happiness", 3, "5"]}[task]
    entries = [{"image": f"{n}.jpg", "label": label, "gpt4": "A text."} for n, label in enumerate(labels)]
    return write(root, entries + [{**entries[0], "id": f"sick/{n}", **change} for n, change in enumerate(changed)])


def write(root, entries):
    entries = [
        {key: value for key, value in entry.items() if not (key == "image" and value is None)} for entry in entries
    ]
    (root / "data.json").write_text(json.dumps(entries))
    return root / "data.json"


def test_healthy_files_have_no_defect(root):
    assert examine(training(root), root).defects == []
    for task in ("emotion", "au"):
        examination = examine(evaluation(root, task), root)
        assert (examination.defects, examination.kind, examination.task) == ([], "evaluation", task)


@pytest.mark.parametrize("name", TRAINING_DEFECTS)
def test_a_defect_of_a_training_sample_is_found(root, name):
    change, expected = TRAINING_DEFECTS[name]
    defects = examine(training(root, change), root).defects
    assert sorted(defect.defect for defect in defects) == sorted(expected)
    assert {(defect.id, defect.entry) for defect in defects} == {("sick/0", 4)}


@pytest.mark.parametrize(("task", "name"), EVALUATION_DEFECTS)
def test_a_defect_of_an_evaluation_sample_is_found(root, task, name):
    change, expected = EVALUATION_DEFECTS[task, name]
    defects = examine(evaluation(root, task, change), root).defects
    assert [(defect.id, defect.entry, defect.defect) for defect in defects] == [
        ("sick/0", 4, kind) for kind in expected
    ]


def test_all_defects_of_a_file_are_listed_at_once(root):
    """Each kind of defect there is has a sample in these tests, and no sample hides another's."""
    changes, expected = zip(*TRAINING_DEFECTS.values(), strict=True)
    found = [defect.defect for defect in examine(training(root, *changes), root).defects]
    assert sorted(found) == sorted(chain(*expected))
    evaluated = chain(*(kinds for _, kinds in EVALUATION_DEFECTS.values()))
    others = {"not-a-sample", "no-id", "duplicate-id"}
    assert {*found, *evaluated} | others == set(DEFECTS)


def test_odd_entries_and_repeated_ids_are_found(root):
    good = {"image": "1.jpg", "conversations": TURNS}
    path = write(root, [good, {"conversations": [{**HUMAN, "value": "Hello"}, GPT]}, good])
    path.write_text(json.dumps([*json.loads(path.read_text()), "x"]))
    defects = [(defect.id, defect.entry, defect.defect) for defect in examine(path, root).defects]
    assert defects == [("entry 2", 2, "no-id"), ("1.jpg", 3, "duplicate-id"), ("entry 4", 4, "not-a-sample")]


def test_what_the_doctor_passes_the_readers_read(root):
    assert len(read_training([training(root)], root)) == 3
    for task in ("emotion", "au"):
        assert len(read_evaluation(evaluation(root, task), root, task)) == 3


@pytest.mark.parametrize(
    "name",
    sorted(
        TRAINING_DEFECTS.keys() - {"missing", "broken", "text as image", "no prior", "NaN", "other length", "end mark"}
    ),
)
def test_what_the_reader_refuses_the_doctor_lists(root, name):
    path = training(root, TRAINING_DEFECTS[name][0])
    with pytest.raises(InputError, match="sick/0"):
        read_training([path], root)
    assert examine(path, root).defects


def test_a_file_that_is_no_list_is_refused(root):
    (root / "data.json").write_text("{}")
    with pytest.raises(InputError, match="no list of samples"):
        examine(root / "data.json", root)


def test_the_command_lists_defects_and_exits_with_one(root, capsys):
    path = training(root, {"image": "none.jpg"}, {"conversations": []})
    assert cli.main(["doctor", str(path), "--image-root", str(root)]) == 1
    shown = capsys.readouterr().out
    assert "sick/0: missing-image: names" in shown and "sick/1: no-conversations: has no `conversations`" in shown
    assert "5 samples (training), 2 defects" in shown
    assert cli.main(["doctor", str(training(root)), "--image-root", str(root)]) == 0
    assert "3 samples (training), 0 defects" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["-", "file", None])
def test_json_goes_to_standard_output_or_to_a_file(root, target, capsys):
    path = training(root, {"image": "none.jpg"})
    arguments = {"-": ["--json", "-"], "file": ["--json", str(root / "out.json")], None: ["--json"]}[target]
    assert cli.main(["doctor", str(path), "--image-root", str(root), *arguments]) == 1
    shown = capsys.readouterr().out
    result = json.loads((root / "out.json").read_text() if target == "file" else shown)
    assert result["samples"] == 4 and result["counts"] == {"missing-image": 1}
    assert result["defects"][0]["id"] == "sick/0" and result["defects"][0]["entry"] == 4


def test_statistics_stand_beside_the_papers(root, capsys):
    turns = [
        {"from": "human", "value": f"{QUESTIONS['au']}\n<image>"},
        {"from": "gpt", "value": "AU6 and AU12 are seen."},
    ]
    path = training(root, {"conversations": turns})
    assert cli.main(["doctor", str(path), "--image-root", str(root), "--stats", "--json", str(root / "o.json")]) == 0
    emotion, au = json.loads((root / "o.json").read_text())["statistics"]
    assert (emotion["task"], emotion["samples"], emotion["images"], emotion["mean_words"]) == ("emotion", 3, 3, 3.0)
    assert emotion["shares"]["Happiness"] == 1.0 and emotion["undecided"] == 0
    assert (au["task"], au["samples"], au["mean_words"], au["shares"]) == ("au", 1, 5.0, {"AU6": 1.0, "AU12": 1.0})
    shown = capsys.readouterr().out
    assert "19474 train, 403 test" in shown and "207.35" in shown
    assert re.search(r"^AU12 +100\.0 % +30\.3 %$", shown, re.MULTILINE)


def test_statistics_of_labels_count_the_labels(root):
    from llava_faba.data.statistics import measure

    entries = json.loads(evaluation(root, "emotion").read_text())
    (emotion,) = measure(entries, pytest.fail, pytest.fail)
    assert {name: share for name, share in emotion.shares.items() if share} == pytest.approx(
        {"Happiness": 1 / 3, "Anger": 1 / 3, "Disgust": 1 / 3}
    )


@pytest.mark.parametrize("task", ["emotion", "au"])
def test_every_instruction_is_recognised_as_its_tasks(task):
    for question in (*INSTRUCTIONS[task], QUESTIONS[task]):
        entry = {"conversations": [{"from": "human", "value": f"{question}\n<image>"}, GPT]}
        assert sample_task(entry) == task, question


KEYS = st.sampled_from(["id", "image", "label", "gpt4", "landmark", "conversations", "from", "value", "x"])
TEXTS = st.sampled_from(["0.jpg", "0.npy", "..", "/", "a\0", "<image>", "human", "gpt", "1,4", "Happiness", "\ud800"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | TEXTS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5))
ENTRIES = st.lists(st.dictionaries(KEYS, VALUES, max_size=7) | VALUES, min_size=1, max_size=4)


@pytest.mark.trust
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES)
def test_whatever_stands_in_a_file_is_listed_or_refused_and_nothing_crashes(root, entries):
    """JSON of any shape: the doctor lists, the command exits with 0 or 1, the readers read or refuse."""
    path = root / "data.json"
    path.write_text(json.dumps(entries))
    examination = examine(path, root)
    assert cli.main(["doctor", str(path), "--image-root", str(root), "--stats", "--json", str(root / "o.json")]) in (
        0,
        1,
    )
    for read in (lambda: read_training([path], root), lambda: read_evaluation(path, root, "au")):
        try:
            read()
        except InputError:
            continue
    if not examination.defects and examination.kind == "training":
        assert len(read_training([path], root)) == len(entries)


@pytest.mark.trust
def test_a_file_of_endless_brackets_is_refused(root):
    (root / "data.json").write_text("[" * 200_000)
    with pytest.raises(InputError, match="is not JSON"):
        examine(root / "data.json", root)
