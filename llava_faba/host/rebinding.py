"""A ledger of rebound names: what was put where, so that all of it can be taken back."""

import sys
from types import ModuleType
from typing import Any

_ABSENT = object()


class Ledger:
    """Sets attributes and remembers what was there; `restore` undoes everything, last first."""

    def __init__(self) -> None:
        self._entries: list[tuple[Any, str, Any]] = []

    def rebind(self, owner: Any, name: str, value: Any) -> None:
        """Put `value` under `name`, which need not exist yet."""
        self._entries.append((owner, name, vars(owner).get(name, _ABSENT)))
        setattr(owner, name, value)

    def restore(self) -> None:
        while self._entries:
            owner, name, before = self._entries.pop()
            if before is _ABSENT:
                if name in vars(owner):
                    delattr(owner, name)
            else:
                setattr(owner, name, before)


def modules_using(value: Any, name: str, package: str) -> list[ModuleType]:
    """Return the loaded modules of `package` whose `name` is `value`, but not the module that defines it.

    A class is never rebound where it is defined: LLaVA writes `super(LLaVATrainer, self)`, and a subclass under that
    name would call itself for ever.
    """
    loaded = [module for key, module in sys.modules.items() if key == package or key.startswith(package + ".")]
    return [
        module
        for module in loaded
        if module is not None and vars(module).get(name) is value and module.__name__ != value.__module__
    ]
