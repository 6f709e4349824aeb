"""Attaching rebinds LLaVA's names where they are used, once, and gives all of it back."""

import subprocess
import sys
from pathlib import Path

from llava_faba import plugin as host


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


def test_the_table_is_the_whole_of_what_is_rebound():
    """But for the image processor, which loading without attach() needs too."""
    from llava_faba.host import compat

    host.attach().detach()
    compat.apply(training=True)
    before = names_of_llava()
    attachment = host.attach()
    during = names_of_llava()
    attachment.detach()
    changed = {key for key in during if during[key] is not before.get(key)}
    assert {name for _, name in changed} == {row.name for row in host.IN_LLAVA}
    assert {module for module, name in changed if name == "transformers"} == {"llava.train.train"}


def test_clips_are_bound_on_top_and_given_back():
    host.attach().detach()
    before = names_of_llava()
    attachment = host.attach()
    attachment.bind_clips()
    from llava.train import train

    bound = {row.name: vars(train)[row.name] for row in host.FOR_CLIPS}
    attachment.detach()
    assert {ours.__module__.split(".")[1] for ours in bound.values()} == {"video"}
    after = names_of_llava()
    assert all(after[key] is before[key] for key in before)


def test_nothing_but_the_plugin_and_the_shims_rebinds():
    package = Path(host.__file__).parent
    rebinding = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if ".rebind(" in file.read_text() or "setattr(llava" in file.read_text()
    }
    assert rebinding == {"plugin.py", "host/compat.py"}


def test_the_tables_fit_on_one_screen():
    lines = Path(host.__file__).read_text().split("\n")
    first, last = (next(n for n, line in enumerate(lines) if line.startswith(start)) for start in ("class Re", "_lock"))
    assert last - first < 60


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


def test_importing_the_package_takes_under_60_ms_of_cpu_over_bare_python():
    def seconds(program):
        timed = f"import time\nstart = time.process_time()\n{program}\nprint(time.process_time() - start)"
        return min(float(subprocess.check_output([sys.executable, "-c", timed], text=True)) for _ in range(5))

    assert seconds("import llava_faba") < 0.06


def test_no_user_path_stands_in_the_package():
    files = list(Path(host.__file__).parent.rglob("*.py"))
    assert len(files) > 20
    assert [file for file in files if "/home/" in file.read_text()] == []
