"""Teach haotian-liu LLaVA to read faces: image -> face crop -> prior -> token -> LLM -> text -> labels -> metric.

Importing this package costs neither torch nor LLaVA; the public functions are fetched when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "attach", "describe", "load", "read_faces"]

if TYPE_CHECKING:
    from llava_faba.inference.describer import describe
    from llava_faba.inference.frame import read_faces
    from llava_faba.model.checkpoint import load
    from llava_faba.plugin import attach

_HOME = {
    "attach": "llava_faba.plugin",
    "load": "llava_faba.model.checkpoint",
    "describe": "llava_faba.inference.describer",
    "read_faces": "llava_faba.inference.frame",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(
            f"module 'llava_faba' has no attribute {name!r}; its public names are {', '.join(__all__)}."
        )
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
