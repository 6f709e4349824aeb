"""What we know about LLaVA's source: the git blob ids of the files we lean on; the only module that states such facts.

LLaVA exists as the wheel `llava-torch==1.2.2.post1` (file by file the tags v1.2.2 and v1.2.2.post1) and as a checkout
of main (c121f04, the last commit). Their distributions have different names and no version tells them apart, so the
content of the files does: `git hash-object FILE` prints the ids below.
"""

import ast
import hashlib
import os
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from llava_faba.errors import InputError, MissingDependencyError

LLAVA_TYPES = ("llava", "llava_llama", "emollava", "llava_faba_llama")  # the model types of LLaVA on Llama, ours last
INSTALL = "pip install --no-deps llava-torch==1.2.2.post1"

KNOWN = {  # file under llava/ -> {git blob id: where it is from}; https://github.com/haotian-liu/LLaVA
    "__init__.py": {
        "4d1f016db1028101d45ba7d68cb3f0bcb558c2bb": "v1.2.2, main",
        "8ae76629a81ed358fd67b704d7b4f2fa33bbdf3a": "v1.2.2, main, with our patch",
    },
    "mm_utils.py": {"de97345cf424fe72cc90de30f42d127ff20b99ef": "v1.2.2, main"},
    "conversation.py": {"00c56867dd1fd88094df9556f3d1c57e71a7ada8": "v1.2.2, main"},
    "model/builder.py": {
        "a1d3f2fe5a15d5af243bb5f083a05db655545dbf": "v1.2.2",
        "e3d50829fb0fdc705f8792b42535461fd7140c5b": "main",
    },
    "model/llava_arch.py": {
        "f07e5b5ea682b3c5d588e9c68834ed6927f2c344": "v1.2.2",
        "d71650eac767d178f9be2cc24508ac71907713bd": "main",
    },
    "model/language_model/llava_llama.py": {"069d0d1c10da42f5d278598e8534f166d1f9f5ff": "v1.2.2, main"},
    "model/multimodal_encoder/builder.py": {
        "e89507c49df413945453959d48b51a71b9031ef7": "v1.2.2",
        "29f63a26d5a4485a64bf235391d0f7593a96f3b6": "main",
    },
    "model/multimodal_encoder/clip_encoder.py": {
        "97dbea3dee79b06ed163f9d85f174753a1237572": "v1.2.2",
        "2c81415cd0f4ebbbe66385450236c427f5e8fb02": "main",
    },
    "model/multimodal_projector/builder.py": {"31cd4f48e6055cd6d00a162af30b1c8139e26b57": "v1.2.2, main"},
    "train/train.py": {"477c668b62a30da69a6efc630c736fe319970bae": "v1.2.2, main"},
    "train/llava_trainer.py": {"ce2853a41a1d232ff823bdd3afeb4823132b6672": "v1.2.2, main"},
}

ANY_LLAVA = "LLAVA_FABA_ANY_LLAVA"
SEAMS = {  # file under llava/ -> the names in it that llava-faba extends, calls or rebinds
    "mm_utils.py": ("tokenizer_image_token", "process_images"),
    "conversation.py": ("conv_templates", "Conversation"),
    "model/builder.py": ("load_pretrained_model",),
    "model/llava_arch.py": (
        *("LlavaMetaModel", "LlavaMetaForCausalLM", "initialize_vision_modules", "encode_images"),
        "prepare_inputs_labels_for_multimodal",
    ),
    "model/language_model/llava_llama.py": ("LlavaConfig", "LlavaLlamaModel", "LlavaLlamaForCausalLM"),
    "model/multimodal_encoder/builder.py": ("build_vision_tower",),
    "model/multimodal_encoder/clip_encoder.py": ("CLIPVisionTower", "load_model"),
    "model/multimodal_projector/builder.py": ("build_vision_projector",),
    "train/train.py": (
        *("ModelArguments", "DataArguments", "TrainingArguments", "make_supervised_data_module", "train"),
        *("get_peft_state_non_lora_maybe_zero_3", "safe_save_model_for_hf_trainer", "find_all_linear_names"),
    ),
    "train/llava_trainer.py": ("LLaVATrainer",),
}


@dataclass(frozen=True)
class UnknownFile:
    """A file of LLaVA that is not as any version we know."""

    file: str  # under llava/
    found: str  # its git blob id, or "missing"
    known: tuple[str, ...]


def git_blob_id(content: bytes) -> str:
    """Return what `git hash-object` prints for a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def installed_llava() -> Path:
    """Return the folder of the LLaVA that `import llava` finds, without importing it."""
    spec = find_spec("llava")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "There is no LLaVA here: `import llava` finds nothing.",
            "llava-faba extends haotian-liu LLaVA: the wheel llava-torch 1.2.2.post1, or a checkout of main.",
            f"Install it without its pins ({INSTALL}), or put your checkout first on PYTHONPATH.",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def unknown_files(package: Path) -> list[UnknownFile]:
    """Compare a llava/ folder with what we know; an empty list means that we know all of it."""
    unknown = []
    for file, known in KNOWN.items():
        path = package / file
        found = git_blob_id(path.read_bytes()) if path.is_file() else "missing"
        if found not in known:
            unknown.append(UnknownFile(file, found, tuple(f"{blob} ({origin})" for blob, origin in known.items())))
    return unknown


def check_llava(package: Path) -> None:
    """Warn of a LLaVA that was edited where the seams still hold; refuse one in which a seam is gone.

    A seam is a name that llava-faba extends, calls or rebinds. LLAVA_FABA_ANY_LLAVA=1 turns the refusal into the
    warning too, at the user's own risk.
    """
    unknown = unknown_files(package)
    if not unknown:
        return
    listing = "; ".join(f"{u.file} is {u.found}, known are {', '.join(u.known)}" for u in unknown)
    gone = [f"{u.file} lacks {', '.join(lacking)}" for u in unknown if (lacking := _lacking(package / u.file, u.file))]
    if gone and not os.environ.get(ANY_LLAVA):
        raise InputError(
            f"The LLaVA in {package} is none that llava-faba knows, and {'; '.join(gone)} ({listing}).",
            "Known are the wheel llava-torch 1.2.2.post1 (= v1.2.2) and main at c121f04; an edited one works where the "
            "names that llava-faba extends are still there.",
            f"Use one of them ({INSTALL}, or `git checkout c121f04` in your clone), or set {ANY_LLAVA}=1 to try.",
        )
    warnings.warn(
        f"the LLaVA in {package} was edited ({', '.join(u.file for u in unknown)}); llava-faba was not tested with it",
        stacklevel=2,
    )


def _lacking(file: Path, name: str) -> list[str]:
    """The seams that a file does not define any more."""
    wanted = SEAMS.get(name, ())
    if not file.is_file():
        return list(wanted) or ["everything: it is missing"]
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return ["everything: it is not Python"]
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    defined |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return [seam for seam in wanted if seam not in defined]
