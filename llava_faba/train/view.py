"""The `transformers` that LLaVA's train() sees: the library's own, with the loading that a checkpoint asks for.

LLaVA reaches the tokenizer as `transformers.AutoTokenizer`; this view answers for that one name in llava.train.train
and leaves the library itself alone.
"""

from types import ModuleType
from typing import Any

from llava_faba.model.tokenizer import load_tokenizer


class _AutoTokenizer:
    """AutoTokenizer, except that tokenizer_config.json decides the class."""

    from_pretrained = staticmethod(load_tokenizer)


class TransformersView:
    """`transformers` with `AutoTokenizer` in our reading."""

    AutoTokenizer = _AutoTokenizer

    def __init__(self, library: ModuleType):
        self._library = library

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)
