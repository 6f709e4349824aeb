"""The `transformers` that LLaVA's train() sees: the library's own but for two names.

LLaVA reaches the tokenizer as `transformers.AutoTokenizer` and its flags through `transformers.HfArgumentParser`; this
view answers for them in llava.train.train and leaves the library itself alone.
"""

from types import ModuleType
from typing import Any

from llava_faba.model.tokenizer import load_tokenizer
from llava_faba.train.preflight import CheckedParser


class _AutoTokenizer:
    """AutoTokenizer, except that tokenizer_config.json decides the class."""

    from_pretrained = staticmethod(load_tokenizer)


class TransformersView:
    """`transformers` with `AutoTokenizer` in our reading, and flags that are checked before anything starts."""

    AutoTokenizer = _AutoTokenizer
    HfArgumentParser = CheckedParser

    def __init__(self, library: ModuleType):
        self._library = library

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)
