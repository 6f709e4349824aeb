"""Attaching rebinds LLaVA's names where they are used, once, and gives all of it back."""

import subprocess
import sys
from pathlib import Path

import pytest

from llava_faba.errors import InputError, MissingDependencyError
from llava_faba.host import attach as host
from llava_faba.host import compat, fingerprints


def names_of_llava():
    """Every global of every loaded LLaVA module, and what the shims touch elsewhere."""
    import transformers.trainer

    modules = [m for key, m in sys.modules.items() if key.split(".")[0] == "llava"] + [transformers.trainer]
    return {(m.__name__, name): value for m in modules for name, value in vars(m).items() if name != "__builtins__"}


def test_attach_detach_attach_leaves_llava_as_it_was():
    host.attach().detach()  # loads whatever is loaded by attaching
    before = names_of_llava()
    attachment = host.attach()
    during = names_of_llava()
    changed = {key for key in during if during[key] is not before.get(key)}
    assert ("llava.train.train", "LLaVATrainer") in changed
    assert ("llava.model.builder", "LlavaLlamaForCausalLM") in changed
    assert ("llava.train.llava_trainer", "LLaVATrainer") not in changed  # the module that defines it
    assert ("llava.model.language_model.llava_llama", "LlavaLlamaForCausalLM") not in changed
    attachment.detach()
    after = names_of_llava()
    assert after.keys() == before.keys()
    assert all(after[key] is before[key] for key in before)
    again = host.attach()
    assert {key for key in names_of_llava() if names_of_llava()[key] is not before.get(key)} == changed
    again.detach()


def test_attaching_twice_changes_nothing():
    first = host.attach()
    names = names_of_llava()
    assert host.attach() is first
    assert names_of_llava() == names
    first.detach()


def test_modules_imported_while_attached_are_given_back():
    attachment = host.attach()
    sys.modules.pop("llava.serve.cli", None)
    import llava.serve.cli as cli
    from llava.model import builder

    assert cli.load_pretrained_model is builder.load_pretrained_model
    attachment.detach()
    assert cli.load_pretrained_model is builder.load_pretrained_model
    assert cli.load_pretrained_model.__module__ == "llava.model.builder"
    assert not hasattr(cli.load_pretrained_model, "__wrapped__")


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


def test_importing_the_package_takes_under_60_ms_of_cpu_over_bare_python():
    def seconds(program):
        timed = f"import time\nstart = time.process_time()\n{program}\nprint(time.process_time() - start)"
        return min(float(subprocess.check_output([sys.executable, "-c", timed], text=True)) for _ in range(5))

    assert seconds("import llava_faba") < 0.06


def test_no_user_path_stands_in_the_package():
    files = list(Path(host.__file__).parents[1].rglob("*.py"))
    assert len(files) > 20
    assert [file for file in files if "/home/" in file.read_text()] == []
