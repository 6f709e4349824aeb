"""Files are written whole, appended by whole lines by one writer, and never sought outside their root."""

import os
import socket
import subprocess
import sys

import pytest

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import (
    JsonLines,
    WriterLock,
    existing_file,
    read_json,
    read_json_lines,
    resolve_inside,
    write_atomically,
    write_json,
)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../secret", "a/../../secret", "link/secret", "a\0b", "a\ud800b", "loop/x"]
)
def test_a_path_out_of_the_root_is_refused_with_the_samples_id(tmp_path, path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(InputError, match="face-7"):
        resolve_inside(root, path, "face-7")


def test_a_path_inside_the_root_is_resolved(tmp_path):
    assert resolve_inside(tmp_path, "a/./b.jpg", "x") == tmp_path.resolve() / "a" / "b.jpg"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = write_atomically(tmp_path / "x.json", "old")

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_a_torn_last_line_is_dropped_and_written_again(tmp_path):
    path = tmp_path / "answers.jsonl"
    with JsonLines(path) as lines:
        lines.append({"id": 1})
        lines.append({"id": 2})
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with JsonLines(path) as lines:
        assert list(lines) == [{"id": 1}]
        lines.append({"id": 2})
    assert path.read_bytes() == whole


@pytest.mark.parametrize("name", ["no.json", "n" * 300])
def test_a_missing_file_says_its_role(tmp_path, name):
    with pytest.raises(MissingFileError, match=r"annotation file .* does not exist"):
        existing_file(tmp_path / name, "annotation file")


def test_a_broken_json_says_where(tmp_path):
    (tmp_path / "x.json").write_text("[1, 2")
    with pytest.raises(InputError, match=r"x\.json is not JSON: .*line 1"):
        read_json(tmp_path / "x.json", "annotation file")


WRITER = """
import sys, time
from llava_faba.files import JsonLines
with JsonLines(sys.argv[1]) as lines:
    lines.append({"id": 0})
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_writer(tmp_path):
    """Another process that has answers.jsonl open."""
    path = tmp_path / "answers.jsonl"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield process, path
    process.kill()
    process.wait()


def test_a_second_writer_is_refused_and_the_owner_is_named(other_writer):
    """Two `describe` at once on 198 faces left 396 lines, and both exited with 0."""
    process, path = other_writer
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"is being written by process {process.pid} on {socket.gethostname()}"):
        JsonLines(path)
    assert path.read_bytes() == before == b'{"id": 0}\n'


def test_the_lock_of_a_killed_writer_is_taken_over(other_writer):
    process, path = other_writer
    process.kill()
    process.wait()
    assert path.with_name("answers.jsonl.lock").exists()
    with JsonLines(path) as lines:
        lines.append({"id": 1})
    assert path.read_bytes() == b'{"id": 0}\n{"id": 1}\n'
    assert [file.name for file in path.parent.iterdir()] == ["answers.jsonl"], "a writer that ends removes its lock"


def test_a_lock_of_another_machine_is_never_taken_over(tmp_path):
    lock = tmp_path / "answers.jsonl.lock"
    lock.write_text('{"host": "node7.cluster", "pid": 4711}')
    with pytest.raises(InputError, match=r"process 4711 on node7\.cluster.*remove .*answers\.jsonl\.lock"):
        WriterLock(tmp_path / "answers.jsonl")
    lock.write_text('{"host": "no')  # cut short when this machine went down
    WriterLock(tmp_path / "answers.jsonl").release()
    assert not lock.exists()


@pytest.mark.trust
def test_of_many_writers_that_start_at_once_one_writes_at_a_time(tmp_path):
    """Each opens, adds one line, ends and starts again: no line is lost, and nobody removes another's lock."""
    program = """
import sys
from llava_faba.errors import InputError
from llava_faba.files import JsonLines
done = 0
while done < 20:
    try:
        with JsonLines(sys.argv[1]) as lines:
            count = sum(1 for _ in lines)
            lines.append({"id": count})
        done += 1
    except InputError:
        pass
"""
    path = tmp_path / "answers.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert [line["id"] for line in read_json_lines(path)] == list(range(80))


def test_a_run_that_is_refused_before_it_wrote_leaves_no_empty_file(tmp_path):
    path = tmp_path / "answers.jsonl"
    with pytest.raises(InputError), JsonLines(path):
        raise InputError("The model is not here.", "It is a folder.", "Check the path.")
    assert list(tmp_path.iterdir()) == []
    with JsonLines(path):
        pass
    assert path.read_bytes() == b"", "a run without samples has a file"
    with pytest.raises(KeyError), JsonLines(path) as lines:
        lines.append({"id": 1})
        raise KeyError
    assert path.read_bytes() == b'{"id": 1}\n' and list(tmp_path.iterdir()) == [path]


def test_what_json_cannot_hold_is_null(tmp_path):
    value = {"mae": float("nan"), "bounds": [float("inf"), 1.5], "n": 3}
    assert read_json(write_json(tmp_path / "x.json", value), "x") == {"mae": None, "bounds": [None, 1.5], "n": 3}
    with JsonLines(tmp_path / "x.jsonl") as lines:
        lines.append(value)
        assert list(lines) == [{"mae": None, "bounds": [None, 1.5], "n": 3}]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    """Writing under a temporary name and renaming would put a file in the place of /dev/stdout."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    write_atomically(pipe, "text")
    assert reader.communicate(timeout=20)[0] == b"text"
    assert pipe.is_fifo()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    write_atomically(tmp_path / "link.json", "text")
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "real.json").read_text() == "text"
