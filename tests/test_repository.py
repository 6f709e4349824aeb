"""What strangers find: workflows that call what exists, a package that ships its data, no private names."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.conftest import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def tracked_files():
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout: the files of the repository are not known")
    return [REPOSITORY / name for name in listed.stdout.splitlines()]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_scripts_and_legs_that_exist(workflow):
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    scripts = [name for text in commands for name in re.findall(r"bash (\S+)", text)]
    assert all((REPOSITORY / name).is_file() for name in scripts)
    for job in jobs.values():
        for entry in job.get("strategy", {}).get("matrix", {}).get("include", []):
            assert (REPOSITORY / "tests" / f"requirements-{entry['leg']}.txt").is_file()


def test_there_are_workflows_for_pull_requests_every_week_and_releases():
    triggers = {path.stem: yaml.safe_load(path.read_text())[True] for path in WORKFLOWS}  # YAML reads `on` as true
    assert "pull_request" in triggers["tests"] and "schedule" in triggers["weekly"] and "push" in triggers["release"]
    assert "bash .ci/run" in (REPOSITORY / ".github" / "workflows" / "weekly.yml").read_text()


def test_no_personal_path_stands_in_a_file():
    files = [path for path in tracked_files() if path.suffix in {".py", ".sh", ".md", ".yml", ".yaml", ".toml", ".txt"}]
    assert len(files) > 200
    pattern = re.compile(r"/home/\w|/Users/\w|/root/|/work/")
    ours = [path for path in files if "tests" not in path.parts]  # tests name such paths to see them refused
    assert [path for path in ours if pattern.search(path.read_text())] == []


@pytest.mark.slow
def test_the_package_builds_and_its_commands_run_without_the_repository(tmp_path):
    """Needs the package index: the wheel is installed into an environment of its own."""
    command = ["bash", "scripts/check_package.sh", str(tmp_path / "dist")]
    environment = {**os.environ, "PYTHON": sys.executable}
    environment.pop("PYTHONPATH", None)
    ran = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    assert "sound:" in ran.stdout
