"""A model that is loaded behind the page, which is up before it."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from llava_faba.errors import InputError

log = logging.getLogger(__name__)


class Loading:
    """A model by name; `load` brings it."""

    def __init__(self, load: Callable[[], Any], name: str):
        self.name = name
        self._load = load
        self._model: Any = None
        self._failed = False
        self._done = threading.Event()

    def start(self, background: bool = True) -> None:
        """Load the model, by default in a thread of its own, so that the page is up first."""
        if background:
            threading.Thread(target=self._bring, name="load-model", daemon=True).start()
        else:
            self._bring()

    def _bring(self) -> None:
        try:
            self._model = self._load()
        except Exception:  # whatever it is, the page stays up and says that there is no model
            self._failed = True
            log.exception("The model %s could not be loaded.", self.name)
        finally:
            self._done.set()

    @property
    def state(self) -> str:
        """ "loading", "ready" or "failed"."""
        return "failed" if self._failed else "ready" if self._done.is_set() else "loading"

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the model; raises InputError where it could not be loaded, or not in time."""
        self._done.wait(timeout)
        if self._model is None:
            found = "could not be loaded" if self._failed else "is still being loaded"
            raise InputError(
                f"The model {found}.",
                "Questions are answered once it is there.",
                "Its owner finds the reason in the server's log." if self._failed else "Ask again in a minute.",
            )
        return self._model
