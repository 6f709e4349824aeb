"""A data set's answers: complete, in order, the same bytes whatever interrupted them, never another run's."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.files import write_json
from tests.tiny import P, prior_model
from tests.train.runs import REPOSITORY

N = 11


@pytest.fixture(scope="module")
def model(tiny_llava, tmp_path_factory):
    """The folder of a full model with a prior that reads files."""
    import shutil

    folder = tmp_path_factory.mktemp("answers") / "llava-v1.5-tiny-faba"
    prior_model(tiny_llava).save_pretrained(folder)
    for file in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(tiny_llava / file, folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """An evaluation file of eleven faces; the fourth has no prior."""
    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(1)
    samples = []
    for n in range(N):
        Image.fromarray(random.integers(0, 255, (80, 90, 3), dtype=np.uint8)).save(root / f"{n}.png")
        np.save(root / f"{n}.npy", random.normal(0, 1, P).astype(np.float32))
        samples.append({"image": f"{n}.png", "label": "Happiness", "gpt4": "A happy face.", "landmark": f"{n}.npy"})
    del samples[3]["landmark"]
    return write_json(root / "eval.json", samples)


def describe(model, data, out, *more):
    arguments = ["describe", "--model-path", model, "--data", data, "--task", "emotion", "--out", out]
    return cli.main([str(part) for part in [*arguments, "--max-new-tokens", 6, "--device", "cpu", *more]])


@pytest.fixture(scope="module")
def whole(model, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "answers.jsonl"
    assert describe(model, data, out) == 0
    return out.read_bytes()


def test_every_sample_has_a_line_with_the_seven_keys(whole):
    lines = [json.loads(line) for line in whole.splitlines()]
    assert [line["id"] for line in lines] == [f"{n}.png" for n in range(N)]
    keys = ["id", "image", "task", "question", "answer", "reference", "label"]
    assert all(list(line)[:7] == keys for line in lines)
    assert lines[0]["question"] == "What emotions are conveyed by this face?"
    assert lines[3]["answer"] == "" and "no face" in lines[3]["unread"]
    assert [n for n, line in enumerate(lines) if "unread" in line] == [3]


def test_what_was_cut_short_is_finished_to_the_same_bytes(model, data, whole, tmp_path):
    out = tmp_path / "answers.jsonl"
    assert describe(model, data, out) == 0
    for kept in (0, 1, len(whole) // 2, len(whole) - 1):
        out.write_bytes(whole[:kept])
        assert describe(model, data, out, "--batch-size", 4) == 0
        assert out.read_bytes() == whole


def test_shards_one_after_the_other_are_one_run(model, data, whole, tmp_path):
    parts = [tmp_path / f"{n}.jsonl" for n in range(3)]
    for n, part in enumerate(parts):
        assert describe(model, data, part, "--shard", f"{n}/3") == 0
    assert b"".join(part.read_bytes() for part in parts) == whole


@pytest.mark.trust
def test_a_killed_run_goes_on_to_the_same_bytes(model, data, whole, tmp_path):
    out = tmp_path / "answers.jsonl"
    program = "import sys; from llava_faba.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["describe", "--model-path", model, "--data", data, "--task", "emotion", "--out", out]
    arguments += ["--max-new-tokens", "6", "--batch-size", "1", "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not (out.is_file() and out.read_bytes().count(b"\n") >= 2):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 2 <= out.read_bytes().count(b"\n")
    assert describe(model, data, out) == 0
    assert out.read_bytes() == whole


def test_another_run_in_the_same_place_is_refused(model, data, tmp_path, capsys):
    out = tmp_path / "answers.jsonl"
    assert describe(model, data, out) == 0
    before = out.read_bytes()
    assert describe(model, data, out, "--question", "Why?") == 2
    assert "question was 'What emotions are conveyed by this face?', is 'Why?'" in capsys.readouterr().err
    assert out.read_bytes() == before
    (tmp_path / "answers.jsonl.run.json").unlink()
    assert describe(model, data, out) == 2
    assert out.read_bytes() == before


def test_a_missing_picture_is_refused_before_anything_is_written(model, tmp_path, capsys):
    data = write_json(tmp_path / "eval.json", [{"image": "gone.png", "label": "Fear", "gpt4": "x"}])
    assert describe(model, data, tmp_path / "answers.jsonl") == 2
    assert "'gone.png' names the image" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["eval.json"]


def test_pictures_are_described_as_json(tiny_llava, data, capsys):
    arguments = ["describe", "--model-path", tiny_llava, "--image", data.parent / "0.png", data.parent / "1.png"]
    assert cli.main([str(part) for part in [*arguments, "--json", "--max-new-tokens", 5, "--device", "cpu"]]) == 0
    faces = json.loads(capsys.readouterr().out)
    assert [face["image"] for face in faces] == [str(data.parent / f"{n}.png") for n in range(2)]
    assert [answer["task"] for answer in faces[0]["answers"]] == ["emotion", "au"]
    assert faces[0]["prior"] is None and faces[0]["box"] is None


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--image", "nowhere.png"], "The image nowhere.png does not exist"),
        ([], "Neither --image nor --input nor --data"),
        (["--data", "x.json"], "--task"),
        (["--image", "x.png", "--batch-size", "0"], "--batch-size is 0"),
        (["--data", "x.json", "--task", "au", "--out", "o.jsonl", "--shard", "3/3"], "--shard is '3/3'"),
    ],
)
def test_unusable_flags_are_refused(tiny_llava, flags, message, capsys):
    assert cli.main(["describe", "--model-path", str(tiny_llava), *flags]) == 2
    assert message in capsys.readouterr().err
