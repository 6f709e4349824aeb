"""The tokenizer of a checkpoint, the same ids on every transformers."""

import shutil
from pathlib import Path
from typing import Any

import transformers

from llava_faba.files import read_json

FILES = ("tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def load_tokenizer(folder: str | Path, **keywords: Any) -> Any:
    """Load the tokenizer that tokenizer_config.json names.

    On transformers 5 AutoTokenizer goes by the model's type instead and gives other ids for released LLaVA-1.5
    models; and a missing `legacy` means True on 4.37 and False on 5.
    """
    named = Path(folder) / "tokenizer_config.json"
    if named.is_file():
        stored = read_json(named, "tokenizer config")
        if stored.get("tokenizer_class") in ("LlamaTokenizer", "LlamaTokenizerFast"):
            keywords.setdefault("legacy", stored.get("legacy", True))
            keywords.pop("use_fast", None)
            return transformers.LlamaTokenizer.from_pretrained(folder, **keywords)
    keywords.setdefault("use_fast", False)
    return transformers.AutoTokenizer.from_pretrained(folder, **keywords)


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy a tokenizer's files as they are: what transformers 5 writes instead, 4.37 does not read."""
    for name in FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def keep_tokenizer(tokenizer: Any, folder: str | Path) -> None:
    """Put the files that a tokenizer was loaded from in place of what transformers has saved of it in `folder`.

    transformers 5 saves it without `legacy`, which decides its ids, and without the model file that 4.37 reads. A
    tokenizer with tokens added since is left as it was saved.
    """
    source, folder = Path(getattr(tokenizer, "vocab_file", None) or "").parent, Path(folder)
    if (source / "tokenizer.model").is_file() and len(load_tokenizer(source)) == len(tokenizer):
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        copy_tokenizer(source, folder)
