"""Every command of the README and of docs/ is one that exists, with flags that exist."""

import argparse
import re
import shlex
import subprocess
import sys
from importlib import import_module

import pytest

import llava_faba
from llava_faba import cli
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
DOCS = sorted((REPOSITORY / "docs").glob("*.md"))
TEXT = "\n\n".join([README, *(path.read_text().partition("<!-- file map")[0] for path in DOCS)])
SCRIPTS = sorted((REPOSITORY / "scripts").glob("*.sh"))


def commands(first: str) -> list[str]:
    """Command lines that start so, in indented blocks and in `code`, continued lines joined."""
    text = TEXT.replace("\\\n", " ")
    blocks = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    spans = [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))]
    lines = [re.sub(r"^(\w+=\S+ )+", "", line) for line in blocks + spans]
    return sorted({line for line in lines if line.startswith(first + " ")})


def test_the_readme_has_commands():
    assert len(commands("llava-faba")) >= 8 and len(commands("bash scripts")) == 0
    assert len([line for line in commands("bash") if "scripts/" in line]) >= 3


@pytest.mark.parametrize("line", commands("llava-faba"))
def test_a_llava_faba_command_is_parsed_by_its_own_parser(line):
    _, name, *arguments = shlex.split(line, comments=True)
    if not arguments:
        assert name in cli.COMMANDS
        return
    parser = argparse.ArgumentParser(exit_on_error=False)
    import_module(f"llava_faba.commands.{name.replace('-', '_')}").add_arguments(parser)
    parser.parse_args(arguments)


@pytest.mark.parametrize("line", commands("bash"))
def test_a_script_exists_and_is_sound_shell(line):
    script = REPOSITORY / shlex.split(line, comments=True)[1]
    assert script.is_file()
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


@pytest.mark.parametrize("line", [line for line in commands("python") if "scripts/" in line])
def test_a_python_script_knows_its_flags(line):
    _, script, *arguments = shlex.split(line, comments=True)
    ran = subprocess.run(
        [sys.executable, script, "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert all(flag in ran.stdout for flag in arguments if flag.startswith("--"))


def test_the_python_example_uses_names_that_exist():
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    compile(example, "README.md", "exec")
    assert len(example.strip().splitlines()) <= 5
    for name in re.findall(r"llava_faba\.(\w+)", example):
        assert hasattr(llava_faba, name)


def test_every_flag_in_the_table_is_a_field_of_the_configuration():
    from llava_faba.model.config import FabaLlavaConfig

    flags = re.findall(r"^\| `(\w*facial_prior\w*)` \|", TEXT, flags=re.M)
    assert len(flags) >= 7
    training_only = {"pretrain_facial_prior_projector"}
    assert all(hasattr(FabaLlavaConfig, flag) for flag in flags if flag not in training_only)


def test_every_flag_of_validation_is_one_of_training_with_its_default():
    rows = re.findall(r"^\| `(validation\w*)` \| (.+?) \|", TEXT, flags=re.M)
    flags = (REPOSITORY / "llava_faba" / "train" / "arguments.py").read_text()
    assert len(rows) >= 7
    for name, default in rows:
        (stated,) = re.findall(rf"^    {name}: .*?default(?:_factory)?=([^,]+),", flags, flags=re.M | re.S)
        assert stated in ("None", "list") or stated.strip('"') == default.strip("`")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_shell_script_is_sound_and_says_how_it_is_called(script):
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert f"bash scripts/{script.name}" in script.read_text() or "bash scripts/" in script.read_text()


def test_the_file_map_is_what_the_docstrings_say():
    command = [sys.executable, "scripts/file_map.py", "--check"]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    files = (REPOSITORY / "llava_faba").rglob("*.py")
    rooms = [path for path in files if (path.parent / "__init__.py").is_file()]  # lmms_tasks is no package
    modules = [path.stem for path in rooms if path.name != "__init__.py"]
    assert len(modules) > 100 and all(f"| `{name}` |" in text for name in modules)


def fenced(language: str) -> list[str]:
    """The blocks of the documents that are fenced as that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.M | re.S)


def assert_sound_shell(text: str) -> None:
    """The shell reads it, and what it says to llava-faba and to our scripts is understood by them."""
    ran = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        scripts = [word for word in words if word.startswith("scripts/")]
        assert all((REPOSITORY / script).is_file() for script in scripts)
        if "llava-faba" in words:
            test_a_llava_faba_command_is_parsed_by_its_own_parser(shlex.join(words[words.index("llava-faba") :]))


def test_shell_in_the_documents_is_sound():
    blocks = [block for block in fenced("bash") if block.startswith("#!")]
    assert len(blocks) >= 3
    for block in blocks:
        assert_sound_shell(block)


def test_yaml_in_the_documents_is_a_jobs_and_its_shell_sound():
    yaml = pytest.importorskip("yaml")
    documents = [document for block in fenced("yaml") for document in yaml.safe_load_all(block)]
    jobs = [document for document in documents if document["kind"] == "Job"]
    assert len(jobs) >= 2
    for job in jobs:
        assert job["spec"]["completionMode"] == "Indexed"
        pod = job["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert_sound_shell("\n".join(container["args"]))


def test_the_variables_of_several_machines_are_the_launchers():
    launcher = (REPOSITORY / "scripts" / "launcher.sh").read_text()
    for name in ("LAUNCHER", "HOSTFILE", "NNODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "RUN_ID", "GPUS"):
        assert f"${{{name}:-" in launcher or f"${name}" in launcher
