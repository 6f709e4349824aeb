"""The patch goes on whole or not at all, comes off to the byte, and says what it found."""

import subprocess
import sys
from pathlib import Path

import pytest

from llava_faba import cli
from llava_faba.errors import InputError, MissingFileError
from llava_faba.host import fingerprints, patching

REPOSITORY = Path(__file__).resolve().parents[2]


def contents(tree):
    return {file: file.read_bytes() for file in sorted(tree.rglob("*")) if file.is_file()}


def test_apply_and_revert_are_byte_exact(copy_of_llava):
    before = contents(copy_of_llava)
    assert [patch.state for patch in patching.apply(copy_of_llava)] == ["not applied"]
    after = contents(copy_of_llava)
    assert [file.name for file in before if before[file] != after[file]] == ["__init__.py"]
    assert fingerprints.unknown_files(copy_of_llava / "llava") == []
    assert [patch.state for patch in patching.revert(copy_of_llava)] == ["applied"]
    assert contents(copy_of_llava) == before


def test_applying_twice_says_so_and_changes_nothing(copy_of_llava, capsys):
    assert cli.main(["patch", "apply", str(copy_of_llava)]) == 0
    once = contents(copy_of_llava)
    assert cli.main(["patch", "apply", str(copy_of_llava)]) == 0
    assert "already applied" in capsys.readouterr().out
    assert contents(copy_of_llava) == once


def test_a_changed_file_is_refused_and_nothing_is_written(copy_of_llava):
    (copy_of_llava / "llava" / "__init__.py").write_text("from .model import Something\n")
    before = contents(copy_of_llava)
    with pytest.raises(InputError, match=r"0001-load-plugins\.patch does not fit .* Nothing was changed"):
        patching.apply(copy_of_llava)
    assert contents(copy_of_llava) == before


def test_a_tree_inside_another_repository_is_patched_too(copy_of_llava):
    """`git apply` skips files outside its repository's folder without a word, and would report success here."""
    subprocess.run(["git", "init", "-q", copy_of_llava.parent], check=True)
    patching.apply(copy_of_llava)
    assert "llava.plugins" in (copy_of_llava / "llava" / "__init__.py").read_text()


def test_a_folder_that_is_no_llava_is_refused(tmp_path, capsys):
    (tmp_path / "llava").mkdir()
    with pytest.raises(MissingFileError, match="is no LLaVA tree"):
        patching.tree_of(tmp_path)
    assert cli.main(["patch", "apply", str(tmp_path)]) == 2
    assert "no LLaVA tree" in capsys.readouterr().err


def test_the_llava_folder_itself_is_understood(copy_of_llava):
    assert patching.tree_of(copy_of_llava / "llava") == patching.tree_of(copy_of_llava) == copy_of_llava


@pytest.mark.slow
def test_from_a_wheel_in_an_empty_folder_the_patch_command_works(tmp_path):
    """The patch is package data: a wheel has no patches/ beside it."""
    wheels, empty = tmp_path / "wheels", tmp_path / "empty"
    empty.mkdir()
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", wheels, REPOSITORY]
    subprocess.run(build, check=True, cwd=tmp_path)
    site = tmp_path / "site"
    wheel = next(wheels.glob("*.whl"))
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel], check=True)
    program = "import sys; from llava_faba.cli import main; sys.exit(main(sys.argv[1:]))"
    for arguments in (["patch", "status"], ["--help"]):
        ran = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=empty, env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
    assert "patch" in ran.stdout
