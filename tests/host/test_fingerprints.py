"""A LLaVA or a transformers that we do not know is refused by name."""

import subprocess
import sys

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
    with pytest.raises(InputError, match=r"lacks LlavaMetaModel.*model/llava_arch\.py is [0-9a-f]{40}, .*f07e5b5e"):
        fingerprints.check_llava(copy_of_llava / "llava")


def test_an_edited_llava_is_a_warning_where_the_seams_hold(copy_of_llava, monkeypatch):
    """People add conversation templates to LLaVA; that is what the file is for."""
    conversation = copy_of_llava / "llava" / "conversation.py"
    conversation.write_text(conversation.read_text() + "\nconv_templates['mine'] = conv_vicuna_v1\n")
    with pytest.warns(UserWarning, match=r"was edited \(conversation\.py\)"):
        fingerprints.check_llava(copy_of_llava / "llava")
    (copy_of_llava / "llava" / "train" / "llava_trainer.py").write_text("# gone\n")
    monkeypatch.setenv("LLAVA_FABA_ANY_LLAVA", "1")
    with pytest.warns(UserWarning, match=r"llava_trainer\.py"):
        fingerprints.check_llava(copy_of_llava / "llava")


def test_a_patched_llava_with_a_template_of_ones_own_still_imports(copy_of_llava, patched):
    conversation = copy_of_llava / "llava" / "conversation.py"
    conversation.write_text(conversation.read_text() + "\nconv_templates['mine'] = conv_vicuna_v1\n")
    program = "import llava, llava.train.train as t; print(t.LLaVATrainer.__name__)"
    ran = subprocess.run([sys.executable, "-c", program], env=patched, cwd="/", capture_output=True, text=True)
    assert ran.returncode == 0 and "FabaTrainer" in ran.stdout, ran.stderr
    assert "was edited (conversation.py)" in ran.stderr


def test_every_seam_is_there_in_the_installed_llava():
    package = fingerprints.installed_llava()
    assert len(fingerprints.SEAMS) > 8
    for file in fingerprints.SEAMS:
        assert fingerprints._lacking(package / file, file) == []


def test_without_llava_the_error_gives_the_install_line(monkeypatch):
    monkeypatch.setattr(fingerprints, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install --no-deps llava-torch"):
        fingerprints.installed_llava()


@pytest.mark.parametrize("version", [(4, 31, 0), (4, 40, 0), (5, 3, 0)])
def test_a_transformers_on_which_llava_cannot_run_is_refused(monkeypatch, version):
    monkeypatch.setattr(compat, "transformers_version", lambda: version)
    with pytest.raises(InputError, match=r"4\.37\.2 .*5\.4 or newer"):
        compat.require_libraries()
