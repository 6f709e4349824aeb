"""scripts/build_space.sh: its folder is a whole Space, which imports and answers from within itself."""

import ast
import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")
pytestmark = pytest.mark.slow

# Run without the user's folders and variables (-I): only the Space's folder and the installed packages are on the path.
ANSWER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import app
from llava_faba.demo.launch import build_page
from llava_faba.demo.photo_tab import EXAMPLE
from llava_faba.demo.photo_faces import see_faces
from llava_faba.face.images import read_image
from llava_faba.host import compat
compat.apply(training=True)
import llava_faba.demo.clip_tab, llava_faba.video.assessment, llava_faba.motion.plot, llava_faba.video.dataset
service, clips = app.from_environment()
service.start(background=False)
build_page(service)
answer = list(service.answer(see_faces(read_image(EXAMPLE))[0], "Why?"))[-1]
files = {name: module.__file__ for name, module in sys.modules.items()
         if name.split(".")[0] in ("llava", "llava_faba") and getattr(module, "__file__", None)}
kind = type(clips).__name__
print("FOUND" + json.dumps({"answer": answer, "files": files, "clips": kind, "prior": service.prior_name}))
"""
PRIOR = "dlib_68+expression"
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # what a Space's card may name


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("space") / "space"
    script = REPOSITORY / "scripts" / "build_space.sh"
    environment = {**os.environ, "PYTHON": sys.executable}
    subprocess.run(["bash", str(script), str(folder)], check=True, env=environment, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def found(space, tmp_path_factory) -> dict:
    """What the Space says when it runs away from the repository."""
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", ANSWER, str(space)],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.split("FOUND")[1])


def test_everything_comes_from_the_folder_and_it_answers(space, found):
    assert found["answer"] and found["prior"] == PRIOR and found["clips"] == "MotionService"
    assert {name.split(".")[0] for name in found["files"]} == {"llava", "llava_faba"}
    assert [file for file in found["files"].values() if not Path(file).is_relative_to(space)] == []


def test_the_requirements_bring_all_that_is_imported_and_not_llavas_wheel(space, found):
    lines = [line for line in (space / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    listed = [named(line) for line in lines if line]
    assert not {"llava", "llava-torch", "llava-faba"} & set(listed)
    brought = closure(listed)
    distributions = packages_distributions()
    missing = set()
    for file in found["files"].values():
        for root in imported(Path(file)):
            owners = {named(owner) for owner in distributions.get(root, ())}
            if owners and not owners & brought:
                missing.add((Path(file).relative_to(space).as_posix(), root))
    assert missing == set()


def test_the_card_is_what_a_space_reads(space):
    yaml = pytest.importorskip("yaml", reason="the card's front matter is YAML")
    card = yaml.safe_load((space / "README.md").read_text().split("---")[1])
    assert card["sdk"] == "gradio" and card["license"] == "apache-2.0" and card["title"]
    assert f"gradio=={card['sdk_version']}" in (space / "requirements.txt").read_text().split()
    assert card["python_version"] == "3.12.12" and (space / card["app_file"]).is_file()
    assert {card["colorFrom"], card["colorTo"]} <= COLOURS and len(card["short_description"]) <= 60
    assert isinstance(card["models"], list) and (space / "LICENSE").is_file() and (space / "packages.txt").is_file()


def test_nothing_of_this_machine_is_in_it(space):
    names = [path.relative_to(space).as_posix() for path in space.rglob("*")]
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".bin"))]
    weights = {Path(name).parts[:2] for name in names if name.endswith(".safetensors")}
    assert weights == {("llava_faba", "starter")}


def named(requirement: str) -> str:
    """The name in a requirement, as package indexes write it."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement.strip()).group()).lower()


def closure(listed: list[str]) -> set[str]:
    """What is installed with these distributions, extras aside."""
    brought, waiting = set(), list(listed)
    while waiting:
        name = waiting.pop()
        if name in brought:
            continue
        brought.add(name)
        try:
            waiting += [named(line) for line in requires(name) or () if "extra ==" not in line]
        except PackageNotFoundError:
            continue
    return brought


def imported(file: Path) -> set[str]:
    """The roots of what a module imports; in the page and in clips also what is imported when it is needed."""
    roots, tree = set(), ast.parse(file.read_text())
    for node in ast.walk(tree) if file.parent.name in ("demo", "video") else tree.body:
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            roots.add(node.module.split(".")[0])
    return roots - {"llava", "llava_faba"}


ON_ZERO = """
import sys, threading
sys.path.insert(0, sys.argv[1])
import spaces
assert "torch" not in sys.modules
owner, seen = threading.get_ident(), []
from llava_faba.demo import launch as page
from llava_faba.demo.service import Loading

class Model(Loading):
    note, prior_name = "", None
    def __init__(self):
        super().__init__(lambda: seen.append(threading.get_ident()) or object(), "stub")

page.build_page = lambda *models: seen.append("page") or real_blocks()
def real_blocks():
    import gradio
    with gradio.Blocks() as page:
        gradio.Markdown("a page")
    return page
page.launch(Model(), block=False, port=None)
print("FOUND", seen == [owner, "page"])
"""


def test_on_zerogpu_the_model_is_loaded_on_the_main_thread_before_the_page(space, tmp_path):
    """ZeroGPU emulates CUDA on the thread that imported `spaces` only: a model loaded in another never answered."""
    (tmp_path / "spaces.py").write_text("def GPU(function=None, **_):\n    return function\n")
    done = subprocess.run(
        [sys.executable, "-c", ON_ZERO, str(space)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "FOUND True" in done.stdout, done.stderr[-3000:]
