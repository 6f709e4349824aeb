"""A LLaVA or a transformers that we do not know is refused by name."""

import subprocess

import pytest

from llava_faba.errors import InputError, MissingDependencyError
from llava_faba.host import compat, fingerprints


def test_the_installed_llava_is_known():
    assert fingerprints.unknown_files(fingerprints.installed_llava()) == []


def test_fingerprints_are_git_blob_ids(tmp_path):
    (tmp_path / "x").write_bytes(b"a\nb\n")
    printed = subprocess.check_output(["git", "hash-object", tmp_path / "x"], text=True).strip()
    assert fingerprints.git_blob_id(b"a\nb\n") == printed


def test_an_unknown_llava_is_refused_by_file_and_id(tmp_path, copy_of_llava):
    (copy_of_llava / "llava" / "model" / "llava_arch.py").write_text("# mine\n")
    with pytest.raises(InputError, match=r"model/llava_arch\.py is [0-9a-f]{40}, known are f07e5b5e.*c121f04"):
        fingerprints.require_known_llava(copy_of_llava / "llava")


def test_without_llava_the_error_gives_the_install_line(monkeypatch):
    monkeypatch.setattr(fingerprints, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install --no-deps llava-torch"):
        fingerprints.installed_llava()


@pytest.mark.parametrize("version", [(4, 31, 0), (4, 40, 0), (5, 3, 0)])
def test_a_transformers_on_which_llava_cannot_run_is_refused(monkeypatch, version):
    monkeypatch.setattr(compat, "transformers_version", lambda: version)
    with pytest.raises(InputError, match=r"4\.37\.2 .*5\.4 or newer"):
        compat.require_libraries()
