"""The model behind the page: loaded in the background, asked by several visitors, each about a face of their own.

Nothing of a visitor is kept here but the model's cache of the last faces asked about, by a hash of their pixels; it
serves follow-ups, never changes an answer, and is dropped after an hour.
"""

import logging
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from llava_faba.demo.photo_faces import SeenFace
from llava_faba.errors import InputError
from llava_faba.face.crop import CROP_SIDE
from llava_faba.faces import Turn

if TYPE_CHECKING:
    from llava_faba.inference.conversation import Conversation
    from llava_faba.inference.describer import Describer

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


KEPT_CONVERSATIONS = 4  # each holds a face's cache: about 0.3 GB in a 7B model at float16
KEPT_SECONDS = 3600
AT_ONCE = 2  # answers that are written at the same time; the others wait in the queue


class Service(Loading):
    """A model by name; `load` brings its Describer, `note` is what visitors must know of it."""

    def __init__(
        self,
        load: "Callable[[], Describer]",
        name: str,
        *,
        note: str = "",
        max_new_tokens: int = 512,
        kept: int = KEPT_CONVERSATIONS,
    ):
        super().__init__(lambda: self.warmed_up(load()), name)
        self.note, self.max_new_tokens = note, max_new_tokens
        self.reused = 0  # tokens that follow-ups did not have to read again
        self._kept = kept
        self._conversations: OrderedDict[tuple[str, bool], tuple[float, Conversation]] = OrderedDict()
        self._lock = threading.Lock()
        self.answer, self.probabilities = on_gpu(self.answer), on_gpu(self.probabilities)  # type: ignore[method-assign]

    def warmed_up(self, describer: "Describer") -> "Describer":
        """Ask about an empty picture, so that the first visitor does not wait for what is opened at first use."""
        from llava_faba.inference.conversation import Conversation

        seen = describer.prepare_faces([Image.new("RGB", (CROP_SIDE, CROP_SIDE))])[0]
        talk = Conversation(describer, replace(seen, is_read=True))
        for _ in talk.ask("Why?", max_new_tokens=2):
            pass
        return describer

    def describer(self, timeout: float | None = None) -> "Describer":
        """Wait for the model; raises InputError where it could not be loaded, or not in time."""
        return self.wait(timeout)

    @property
    def prior_name(self) -> str | None:
        """The name of the model's facial prior, None without one."""
        return self.describer().model.config.facial_prior_tower or None

    def can_leave_out_prior(self) -> bool:
        """Whether the model learned to answer without its prior."""
        config = self.describer().model.config
        return bool(config.facial_prior_tower and config.facial_prior_is_learned_empty)

    def answer(
        self, face: SeenFace, question: str, earlier: Sequence[Turn] = (), with_prior: bool = True
    ) -> Iterator[str]:
        """Yield the answer so far, longer each time; `with_prior=False` puts the learned empty prior in its place."""
        talk = self._take(face, with_prior)
        try:
            yield from talk.ask(question, earlier, max_new_tokens=self.max_new_tokens)
        finally:
            self.reused += talk.reused
            self._keep((face.key, with_prior), talk)

    def probabilities(self, face: SeenFace, task: str, turn: Turn) -> dict[str, float]:
        """Return how sure an answer is of each emotion or AU, as `describe --probabilities`; {} if it names none."""
        from llava_faba.inference.certainty import calibrated, weigh_words

        talk = self._take(face, True)
        try:
            found = weigh_words(self.describer(), talk.prefix, task, turn.question, [turn.answer])
            return calibrated(self.describer(), task, "words", found)[0] or {}
        finally:
            self._keep((face.key, True), talk)

    def forget(self, age: float = KEPT_SECONDS) -> None:
        """Drop the caches of faces that nobody asked about for `age` seconds."""
        with self._lock:
            old = [key for key, (used, _) in self._conversations.items() if time.monotonic() - used >= age]
            for key in old:
                del self._conversations[key]

    def _take(self, face: SeenFace, with_prior: bool) -> "Conversation":
        """Take a face's conversation out of the store, so that no other request uses it meanwhile, or begin one."""
        self.forget()
        with self._lock:
            _, talk = self._conversations.pop((face.key, with_prior), (0.0, None))
        return talk or self._begin(face, with_prior)

    def _keep(self, key: tuple[str, bool], talk: "Conversation") -> None:
        with self._lock:
            self._conversations[key] = (time.monotonic(), talk)
            self._conversations.move_to_end(key)
            while len(self._conversations) > self._kept:
                self._conversations.popitem(last=False)

    def _begin(self, face: SeenFace, with_prior: bool) -> "Conversation":
        from llava_faba.inference.conversation import Conversation

        describer = self.describer()
        seen: Any = describer.prepare_faces([face.crop])[0]
        if not with_prior:
            seen = replace(seen, is_read=False)
        if not describer.can_answer(seen):
            raise InputError(
                "The model's facial prior could not be read from this face.",
                "This model answers only where it can be.",
                "Choose another face, or a sharper photo from the front.",
            )
        return Conversation(describer, seen)


def on_gpu(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a Space with ZeroGPU lend its GPU to a function; elsewhere the function as it is."""
    spaces = sys.modules.get("spaces")  # app.py imports it where it is installed
    return spaces.GPU(function) if spaces else function
