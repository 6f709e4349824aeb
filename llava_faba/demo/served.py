"""The page's model behind servers (`--server URL`): asked over the network, with nothing kept between questions."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llava_faba.demo.photo_faces import SeenFace
from llava_faba.demo.service import Service
from llava_faba.faces import Turn


class ServedService(Service):
    """A served model by name; `load` brings its ServedDescriber.

    It writes answers as the model does that is loaded here, but gives no probabilities and cannot leave its prior out.
    """

    def __init__(self, load: Callable[[], Any], name: str, *, max_new_tokens: int = 512):
        super().__init__(load, name, max_new_tokens=max_new_tokens)

    @property
    def prior_name(self) -> str | None:
        """The server reads the prior, and does not say which."""
        return "read by the server"

    def can_leave_out_prior(self) -> bool:
        """A request cannot ask for the empty prior."""
        return False

    def answer(
        self, face: SeenFace, question: str, earlier: Sequence[Turn] = (), with_prior: bool = True
    ) -> Iterator[str]:
        """Yield the answer so far, longer each time."""
        describer = self.describer()
        (sent,) = describer.prepare_faces([face.crop])
        said = False
        for text in describer.servers.stream(question, sent.png, earlier):
            said = True
            yield text
        if not said:
            yield ""

    def probabilities(self, face: SeenFace, task: str, turn: Turn) -> dict[str, float]:
        """Return {}: a server answers in words only."""
        return {}

    def warmed_up(self, describer: Any) -> Any:
        """Return it as it is: a server is warm."""
        return describer


def served_service_of(urls: Sequence[str], model: str | None, max_new_tokens: int = 512) -> ServedService:
    """Return the service of a served model; raises InputError, before the page is up, where no server answers."""
    from llava_faba.engine.servers import Servers

    servers = Servers(urls, model, max_tokens=max_new_tokens)

    def load() -> Any:
        from llava_faba.inference.served import ServedDescriber

        return ServedDescriber(servers)

    return ServedService(load, servers.model, max_new_tokens=max_new_tokens)
