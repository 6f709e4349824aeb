"""The structure that the README's file map promises: imports point down the journey, modules stay readable."""

import ast
from pathlib import Path

import pytest

import llava_faba

PACKAGE = Path(llava_faba.__file__).parent
JOURNEY = [  # lowest first; a module may import from its own step and from those before it
    ("errors", "files", "faces", "shards"),
    ("images", "landmarks", "detectors", "networks", "quality", "crop"),
    ("prior",),
    ("host", "host.fingerprints", "host.rebinding", "host.compat", "host.patching"),
    ("model",),
    ("data",),
    ("train",),
    ("host.attach", "train.train", "train.train_mem"),  # the two entry modules attach
    ("eval",),
    ("evidence",),
    ("generation", "describer", "likelihood", "answering", "conversation"),
    ("photo",),
    ("video",),
    ("sightings", "columns", "table"),
    ("demo", "card"),
    ("commands",),
    ("cli", "__init__", "trial"),
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def step_of(module: str) -> int:
    """The step of the longest entry of JOURNEY that the module belongs to."""
    steps = {name: number for number, names in enumerate(JOURNEY) for name in names}
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in steps:
            return steps[".".join(parts[:end])]
    raise AssertionError(f"llava_faba.{module} has no place in the journey; give it one in this test")


def imports_of(file: Path) -> set[str]:
    """Our modules that a file imports, wherever in it; annotations' imports under TYPE_CHECKING do not count."""
    tree = ast.parse(file.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and id(node) not in skipped
            and (node.module or "").startswith("llava_faba")
        ):
            base = node.module.removeprefix("llava_faba").lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                is_module = (PACKAGE / Path(*inner.split("."))).with_suffix(".py").is_file()
                found.add(inner if is_module else base or "__init__")
    return found - {"__init__"}  # __version__ and the lazy names are anyone's


def test_there_are_modules_to_check():
    assert len(MODULES) > 60


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_point_down_the_journey(file):
    own = step_of(name_of(file))
    upward = [name for name in imports_of(file) if step_of(name) > own]
    assert not upward, f"{name_of(file)} imports {upward}, which comes later on the journey"


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_a_module_says_what_it_is_and_stays_readable(file):
    text = file.read_text()
    assert ast.get_docstring(ast.parse(text)), "every module says what goes in and what comes out"
    assert text.count("\n") <= 300, "split it: one noun a module"


def test_the_evaluation_needs_neither_torch_nor_llava():
    heavy = {"torch", "llava", "transformers", "peft"}
    for file in (PACKAGE / "eval").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not heavy & {name.split(".")[0] for name in names}, file


def test_no_public_name_is_a_module():
    modules = {file.stem for file in PACKAGE.glob("*.py")} | {p.name for p in PACKAGE.iterdir() if p.is_dir()}
    assert not modules & set(llava_faba.__all__)
