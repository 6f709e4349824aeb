"""What every command does alike: one line for what is written, exit status by kind, no traceback for a full disk."""

import json
import os
import subprocess
import sys

import pytest

from llava_faba import cli
from llava_faba.commands.output import emit_json
from llava_faba.errors import exit_status, missing_extra
from tests.conftest import REPOSITORY
from tests.eval.answer_lines import emotion_line, write_lines

PROGRAM = [sys.executable, "-m", "llava_faba.cli"]


def run(*arguments, **options):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output="stdout" not in options,
        text=True,
        **({"stderr": subprocess.PIPE} if "stdout" in options else {}),
        **options,
    )


@pytest.fixture
def answers(tmp_path):
    return write_lines(tmp_path / "answers.jsonl", [emotion_line(k, reference="x " * 5000) for k in range(60)])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_said_in_one_line(answers):
    with open("/dev/full", "w") as full:
        done = run("score", answers, "--json", stdout=full)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr and "No space left on device" in done.stderr
    assert os.path.exists("/dev/full") and not os.path.isfile("/dev/full")
    done = run("score", answers, "--json", "/dev/full")
    assert (done.returncode, "No space left on device" in done.stderr) == (4, True)
    assert not os.path.isfile("/dev/full"), "a device is written to, never replaced"


def test_a_closed_pipe_is_no_error(answers):
    process = subprocess.Popen(
        [*PROGRAM, "score", str(answers), "--json"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    error = process.stderr.read().decode()
    assert process.wait() == 141
    assert "Traceback" not in error and "Exception ignored" not in error


def test_what_cannot_be_written_is_said_in_one_line(answers, capsys):
    assert cli.main(["score", str(answers), "--json", str(answers / "x.json")]) == 4
    assert "Not a directory" in capsys.readouterr().err


def test_the_exit_status_tells_the_kind():
    from llava_faba.errors import InputError

    assert exit_status(InputError("a", "b", "c")) == 2
    assert exit_status(missing_extra("dlib", "dlib", "This")) == 3
    assert exit_status(OSError(28, "No space left on device")) == 4


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:0"])
def test_a_wrong_device_is_refused(tmp_path, capsys, device):
    assert (
        cli.main(["describe", "--model-path", "x", "--image", str(REPOSITORY / "README.md"), "--device", device]) == 2
    )
    said = capsys.readouterr().err
    assert f"--device is {device!r}" in said and "cpu" in said


def test_json_goes_to_a_file_with_one_line_or_to_standard_output_alone(tmp_path, capsys):
    emit_json({"mae": float("nan")}, tmp_path / "x.json")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"written: {tmp_path / 'x.json'}\n")
    emit_json({"mae": float("nan")}, "-")
    said = capsys.readouterr()
    assert (json.loads(said.out), said.err) == ({"mae": None}, "")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--data", "x.json", "--crop", "all"], "--crop was given with --data"),
        (["--data", "x.json", "--fps", "7"], "--fps was given with --data"),
        (["--image", "x.png", "--image-root", "/nowhere"], "--image-root was given with --image"),
        (["--image", "x.png", "--shard", "3/9"], "--shard was given with --image"),
        (["--input", "x.png", "--csv", "t.csv", "--out", "o.jsonl"], "--out was given with --input"),
        (["--image", "x.png", "--samples", "5"], "--samples was given without --probabilities"),
    ],
)
def test_a_flag_of_another_input_is_refused(flags, said, capsys):
    assert cli.main(["describe", "--model-path", "x", *flags]) == 2
    assert said in capsys.readouterr().err


def test_help_names_the_exit_statuses(capsys):
    assert cli.main([]) == 0
    assert "exit status:" in capsys.readouterr().out
