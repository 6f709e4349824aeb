"""Files are written whole, appended by whole lines, and never sought outside their root."""

import os

import pytest

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import CsvRows, JsonLines, existing_file, read_json, resolve_inside, write_atomically


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


ROWS = [
    {"input": "a, b.png", "n": 1, "text": 'She said "happy";\nthen left'},
    {"input": "ünï.png", "n": None, "text": "one\r\ntwo\rthree\0"},
    {"input": "c.png", "n": 0.25, "text": ""},
]


def test_rows_are_read_as_they_were_written(tmp_path):
    with CsvRows(tmp_path / "t.csv", ["input", "n", "text"]) as rows:
        rows.append(ROWS[:2])
        rows.append(ROWS[2:])
        read = list(rows)
    assert [row["input"] for row in read] == [row["input"] for row in ROWS]
    assert [row["n"] for row in read] == ["1", "", "0.25"]
    assert [row["text"] for row in read] == [ROWS[0]["text"], "one\ntwo\nthree", ""]
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(tmp_path / "t.csv", keep_default_na=False)
    assert table["text"].tolist() == [row["text"] for row in read]


@pytest.mark.trust
def test_rows_cut_at_any_byte_are_finished_to_the_same_bytes(tmp_path):
    path = tmp_path / "t.csv"
    with CsvRows(path, ["input", "n", "text"]) as rows:
        rows.append(ROWS)
    whole = path.read_bytes()
    for kept in range(len(whole)):
        path.write_bytes(whole[:kept])
        with CsvRows(path, ["input", "n", "text"]) as rows:
            there = len(list(rows))
            rows.append(ROWS[there:])
        assert path.read_bytes() == whole, kept
