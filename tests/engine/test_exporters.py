"""Training data is balanced, mixed by weight, and written as other trainers read it."""

import json
from collections import Counter

import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.data.doctor import examine
from llava_faba.engine.exporters import balance
from llava_faba.engine.readings import label_of
from llava_faba.files import write_json


def a_sample(number, text, question="Which emotion?", first=False):
    words = f"<image>\n{question}" if first else f"{question}\n<image>"
    turns = [{"from": "human", "value": words}, {"from": "gpt", "value": text}]
    return {"id": f"{question[:3]}{number}", "image": f"{number}.png", "conversations": turns}


@pytest.fixture
def files(tmp_path):
    for number in range(20):
        Image.new("RGB", (24, 24), (number * 9, 0, 0)).save(tmp_path / f"{number}.png")
    emotions = ["Happiness"] * 9 + ["Fear"] * 2 + ["Anger"] * 5
    write_json(tmp_path / "emotion.json", [a_sample(k, label) for k, label in enumerate(emotions)])
    texts = ["AU6, AU12"] * 6 + ["AU4"] * 2
    write_json(
        tmp_path / "au.json", [a_sample(k, text, "List the action units.", True) for k, text in enumerate(texts)]
    )
    return tmp_path


def convert(*words):
    return cli.main(["convert", *map(str, words)])


def test_balanced_data_holds_each_emotion_equally_often(files):
    assert convert("faba", files / "emotion.json", "--balance", "--out", files / "out") == 0
    entries = json.loads((files / "out" / "train.json").read_text())
    assert Counter(map(label_of, entries)) == {"Happiness": 2, "Fear": 2, "Anger": 2}
    common = [a_sample(k, "AU12", "List the action units.") for k in range(400)]
    rare = [a_sample(k, "AU4", "List the action units.") for k in range(400, 440)]
    counts = Counter(map(label_of, balance(common + rare)))
    assert counts[(4,)] == 40 and 20 < counts[(12,)] < 60


def test_a_labelled_set_is_balanced_as_it_is_converted(files):
    rows = ["image,label", *(f"{k}.png,{'Happiness' if k < 15 else 'Sadness'}" for k in range(20))]
    (files / "labels.csv").write_text("\n".join(rows))
    words = ["csv", "--train", files / "labels.csv", "--task", "emotion", "--out", files / "out", "--balance"]
    assert convert(*words, "--to", "sharegpt") == 0
    entries = json.loads((files / "out" / "train.json").read_text())
    assert Counter(map(label_of, entries)) == {"Happiness": 5, "Sadness": 5}
    assert len(json.loads((files / "out" / "train.sharegpt.json").read_text())) == 10


def test_tasks_are_mixed_by_weight_and_the_result_passes_doctor(files):
    out = files / "out"
    assert convert("faba", files / "emotion.json", "--mix", f"{files / 'au.json'}=2.5", "--out", out) == 0
    entries = json.loads((out / "train.json").read_text())
    tasks = Counter(isinstance(label_of(entry), tuple) for entry in entries)
    assert tasks == {False: 16, True: 20} and not examine(out / "train.json", files).defects
    assert [entry["id"] for entry in entries] != sorted(entry["id"] for entry in entries)


def test_other_trainers_get_their_layout(files):
    for layout in ("sharegpt", "llava-hf"):
        assert convert("faba", files / "au.json", "--to", layout, "--out", files / "out") == 0
    shared = json.loads((files / "out" / "train.sharegpt.json").read_text())
    assert shared[0]["images"] == ["0.png"] and shared[0]["conversations"][0]["value"].count("<image>") == 1
    chat = json.loads((files / "out" / "train.llava-hf.json").read_text())
    question = {"type": "text", "text": "List the action units."}
    assert chat[0]["messages"] == [
        {"role": "user", "content": [{"type": "image"}, question]},
        {"role": "assistant", "content": [{"type": "text", "text": "AU6, AU12"}]},
    ]
    convert("faba", files / "emotion.json", "--to", "llava-hf", "--out", files / "two")
    content = json.loads((files / "two" / "train.llava-hf.json").read_text())[0]["messages"][0]["content"]
    assert [part["type"] for part in content] == ["text", "image"]


@pytest.mark.parametrize("weight", ["0", "x", "-1", "nan"])
def test_a_weight_that_is_none_is_one_clear_error(files, weight, capsys):
    assert convert("faba", files / "emotion.json", "--mix", f"{files / 'au.json'}={weight}", "--out", files / "o") == 2
    assert not (files / "o" / "train.json").exists() and "error" in capsys.readouterr().err
