"""The model behind the Clip tab: loaded in the background, asked by several visitors, each about their own clip."""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from llava_faba.demo.clip_reading import Progress, ReadClip, read_upload
from llava_faba.demo.loading import Loading
from llava_faba.demo.service import on_gpu
from llava_faba.errors import InputError

if TYPE_CHECKING:  # it brings torch, and the page is to be up before it
    from llava_faba.video.assessment import Assessor

CLIPS_AT_ONCE = 1  # that are read at the same time: each keeps a core busy for seconds
LOADING_SECONDS = 300  # that the reading of a clip waits for the model


class ClipService(Loading):
    """A model by name that assesses clips of `expressions`; nothing of a visitor is kept here."""

    def __init__(
        self, load: "Callable[[], Assessor]", name: str, expressions: Sequence[str], *, max_new_tokens: int = 256
    ):
        super().__init__(load, name)
        self.expressions, self.max_new_tokens = tuple(expressions), max_new_tokens
        self.assess = on_gpu(self.assess)  # type: ignore[method-assign]

    def read(self, upload: Any, name: str | None = None) -> Generator[Progress, None, ReadClip]:
        """Read an uploaded clip and delete its file; see `read_upload`."""
        return read_upload(upload, lambda clip: self.wait(LOADING_SECONDS).see(clip), name)

    def assess(self, read: ReadClip, expression: str) -> Iterator[dict[str, Any]]:
        """Yield the record of `llava-faba assess` as it grows; the model goes by its name, not by the server's path.

        (And Gradio takes whatever has a "path" for a file.)
        """
        expression = self.checked_expression(expression)
        assessor = self.wait(LOADING_SECONDS)
        for record in assessor.stream(
            read.clip, read.motion, expression, read.views, max_new_tokens=self.max_new_tokens
        ):
            told = {key: value for key, value in record["model"].items() if key != "path"}
            yield {**record, "model": {"name": self.name, **told}}

    def checked_expression(self, expression: Any) -> str:
        """Return an expression that the model knows; raises InputError for another."""
        if expression not in self.expressions:
            raise InputError(
                f"The expression is {str(expression)[:40]!r}.",
                f"This model knows {', '.join(self.expressions)}.",
                "Choose one of these.",
            )
        return str(expression)
