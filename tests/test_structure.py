"""The house that the README's file map promises: rooms in the order of the journey, and walls that hold."""

import ast
from pathlib import Path

import pytest

import llava_faba

PACKAGE = Path(llava_faba.__file__).parent
JOURNEY = [  # lowest first; a module may import from its own room and from those before it
    ("errors", "files", "vocabulary"),
    ("faces", "processes", "starter"),
    ("cluster",),
    ("face",),
    ("prior",),
    ("motion",),
    ("data",),
    ("claims",),
    ("eval",),
    ("evidence",),
    ("engine",),
    ("host",),
    ("model",),
    ("serving",),
    ("inference",),
    ("train",),
    ("plugin",),
    ("train.train", "train.train_mem"),  # the entry modules attach
    ("video",),
    ("demo",),
    ("commands",),
    ("cli", "__init__"),
]
AT_THE_TOP = {"__init__", "cli", "errors", "faces", "vocabulary", "files", "processes", "plugin"}
MAY_IMPORT_LLAVA = ("host", "model", "train", "plugin", "video")
WITHOUT_TORCH = (
    "starter",
    "cluster",
    "face",
    "prior",
    "motion",
    "data",
    "claims",
    "eval",
    "evidence",
    "engine",
    *(f"train.{module}" for module in ("shape", "recipe", "memory", "fit")),  # `llava-faba estimate`
    "cli",
    *AT_THE_TOP - {"plugin"},
)
TORCH = {"torch", "transformers", "peft", "safetensors", "accelerate", "deepspeed"}
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


def import_nodes(file: Path) -> list[ast.Import | ast.ImportFrom]:
    """A file's imports, wherever in it; those under TYPE_CHECKING, for annotations, do not count."""
    tree = ast.parse(file.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in skipped
    ]


def packages_of(file: Path) -> set[str]:
    """The packages that a file imports."""
    nodes = import_nodes(file)
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def imports_of(file: Path) -> set[str]:
    """Our modules that a file imports."""
    found = set()
    for node in import_nodes(file):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llava_faba"):
            base = node.module.removeprefix("llava_faba").lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                is_module = (PACKAGE / Path(*inner.split("."))).with_suffix(".py").is_file()
                found.add(inner if is_module else base or "__init__")
    return found - {"__init__"}  # __version__ and the lazy names are anyone's


def in_rooms(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def test_there_are_modules_to_check():
    assert len(MODULES) > 60


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_point_down_the_journey(file):
    own = step_of(name_of(file))
    upward = [name for name in imports_of(file) if step_of(name) > own]
    assert not upward, f"{name_of(file)} imports {upward}, which comes later on the journey"


def test_no_modules_import_each_other_in_a_circle():
    graph = {name_of(file): imports_of(file) for file in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"a circle of imports: {' -> '.join((*path, module))}"
        if module not in done:
            for name in graph.get(module, ()):
                visit(name, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())
    assert len(done) >= len(MODULES)


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_only_the_plugin_and_clips_import_llava(file):
    if "llava" in packages_of(file):
        assert in_rooms(name_of(file), MAY_IMPORT_LLAVA), f"{name_of(file)} imports llava from outside the plugin"


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_only_serving_imports_vllm(file):
    if "vllm" in packages_of(file):
        assert in_rooms(name_of(file), ("serving",)), f"{name_of(file)} imports vllm, which has an environment apart"


def test_serving_reaches_nothing_that_imports_llava():
    files = {name_of(file): file for file in MODULES}
    waiting, reached = [name for name in files if in_rooms(name, ("serving",))], set()
    assert len(waiting) >= 6
    while waiting:
        if (name := waiting.pop()) not in reached:
            reached.add(name)
            waiting += [inner for inner in imports_of(files[name]) if inner in files]
    assert not [name for name in reached if "llava" in packages_of(files[name])]
    assert "model.prior_modules" in reached  # shared with the plugin, not copied


@pytest.mark.parametrize("file", [file for file in MODULES if in_rooms(name_of(file), WITHOUT_TORCH)], ids=name_of)
def test_pixels_and_texts_are_read_without_torch(file):
    assert not packages_of(file) & (TORCH | {"llava"})


def test_no_module_stands_loose_at_the_top():
    assert {file.stem for file in PACKAGE.glob("*.py")} == AT_THE_TOP


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_a_module_says_what_it_is_and_stays_readable(file):
    text = file.read_text()
    assert ast.get_docstring(ast.parse(text)), "every module says what goes in and what comes out"
    assert text.count("\n") <= 300, "split it: one noun a module"


def test_no_public_name_is_a_module():
    modules = {file.stem for file in PACKAGE.glob("*.py")} | {p.name for p in PACKAGE.iterdir() if p.is_dir()}
    assert not modules & set(llava_faba.__all__)
