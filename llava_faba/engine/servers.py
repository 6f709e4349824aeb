"""Questions about faces -> answers of our own model behind one or several servers: `--server URL`, any number of them.

Each request goes to the server with the fewest in flight; what fails goes to the next, with waits in between. A server
that cannot be reached rests meanwhile. Nothing is paid here, so that a request may be repeated at will.
"""

import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llava_faba.engine.endpoint import Endpoint
from llava_faba.engine.replies import Failure, Reply, backoff
from llava_faba.errors import InputError
from llava_faba.faces import Turn
from llava_faba.vocabulary import GIVEN_PRIOR, NO_FACE

KEY_VARIABLE = "LLAVA_FABA_SERVER_KEY"
TRIES = 6  # of a request; the waits between them add up to 31 seconds at most
TIMEOUT = 600.0  # seconds: a request waits in the server's queue behind all others
UP = "Is it up (`llava-faba serve`), and is its address right, with /v1 at the end?"


@dataclass
class _Server:
    endpoint: Endpoint
    in_flight: int = 0
    rests_until: float = 0.0  # time.monotonic()


class Servers:
    """Servers of one model.

    >>> servers = Servers(["http://127.0.0.1:8000/v1"])  # doctest: +SKIP
    >>> servers.ask("Which emotion does this face show?", png)  # doctest: +SKIP
    'The face shows happiness.'
    """

    def __init__(
        self,
        urls: Sequence[str],
        model: str | None = None,
        *,
        max_tokens: int = 512,
        tries: int = TRIES,
        timeout: float = TIMEOUT,
    ):
        """Ask every server for its models; those that cannot be reached are named on stderr and left out.

        `model` is needed where a server has several. Raises InputError where none can be reached, or they differ.
        """
        self.urls, self._tries = list(dict.fromkeys(urls)), tries
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._servers, failures, served = [], {}, {}
        for url in self.urls:
            endpoint = Endpoint(url, model or "", max_tokens, 0.0, timeout, KEY_VARIABLE, "--server", needs_key=False)
            found = endpoint.models()
            if isinstance(found, Failure):
                failures[url] = found.fatal or found.reason
                continue
            endpoint.model = served[url] = _chosen(found, model, url)
            self._servers.append(_Server(endpoint))
        for url, reason in failures.items() if self._servers else ():
            print(f"--server {url} is left out: {reason}", file=sys.stderr)
        if not self._servers:
            told = "; ".join(f"{url}: {reason}" for url, reason in failures.items())
            raise InputError(f"No --server answers: {told}.", "One of them at least serves the model.", UP)
        if len(set(served.values())) > 1:
            told = ", ".join(f"{name} at {url}" for url, name in served.items())
            raise InputError(
                f"The servers have different models: {told}.",
                "The answers of a run are one model's.",
                "Name only servers of one model, or name the model with --server-model.",
            )
        self.model = self._servers[0].endpoint.model

    def record(self) -> dict[str, Any]:
        """Say where the answers are from, as a run's record keeps it."""
        return {"model": self.model, "servers": self.urls}

    def limit(self, max_tokens: int) -> None:
        """Let answers have so many tokens at most."""
        for server in self._servers:
            server.endpoint.max_tokens = max_tokens

    def stop(self) -> None:
        """Let waits end and no request begin: the run is over."""
        self._stop.set()

    def ask(self, question: str, picture: bytes, prior: Sequence[float] | None = None) -> str | None:
        """Ask about a picture, the bytes of a PNG; None where the server read no face and its model needs one.

        `prior` is one that is known already. Raises InputError where no server answers, or one refuses the request.
        """
        identity = uuid.uuid4().hex
        extra = None if prior is None else {"mm_processor_kwargs": {GIVEN_PRIOR: list(prior)}}
        failure = Failure("the run was stopped", paid=False)
        failed: list[_Server] = []  # at this request
        for tries in range(1, self._tries + 1):
            if self._stop.is_set():
                break
            server = self._take(failed)
            try:
                result = server.endpoint.ask(question, picture, identity, extra=extra)
            finally:
                self._give_back(server)
            if isinstance(result, Reply):
                return result.text
            failure = result
            failed.append(server)
            if NO_FACE in failure.reason.lower():
                return None
            if failure.fatal or failure.final:
                raise _refused(server.endpoint.url, failure)
            if tries < self._tries:
                self._pause(server, failure, tries)
        raise InputError(
            f"No answer came from {', '.join(self.urls)} in {self._tries} tries: {failure.reason}.",
            "A server answers with a chat completion.",
            "What was answered is kept: look at the server's log, and run the same command again.",
        )

    def stream(self, question: str, picture: bytes, earlier: Sequence[Turn] = ()) -> Iterator[str]:
        """Ask after `earlier` turns; yield the answer so far, longer each time. Errors as `ask`; None becomes one."""
        failure = Failure("", paid=None)
        failed: list[_Server] = []
        for tries in range(1, self._tries + 1):
            server, said = self._take(failed), False
            failed.append(server)
            try:
                for part in server.endpoint.stream(question, picture, earlier):
                    if isinstance(part, Failure):
                        failure = part
                        break
                    said = True
                    yield part
                else:
                    return
            finally:
                self._give_back(server)
            if said or failure.fatal or failure.final:
                raise _refused(server.endpoint.url, failure)
            self._pause(server, failure, tries)
        raise InputError(f"The model's server does not answer: {failure.reason}.", "It is to be up.", "Try it again.")

    def _take(self, failed: Sequence[_Server] = ()) -> _Server:
        """Of the servers that do not rest one that `failed` least, with the fewest requests in flight.

        Where all rest, the one whose rest ends first. A server that fails at once has few in flight: without a look at
        where it failed, a request would go there again and again.
        """

        def burden(server: _Server) -> tuple[int, int]:
            return sum(one is server for one in failed), server.in_flight

        with self._lock:
            now = time.monotonic()
            awake = [server for server in self._servers if server.rests_until <= now]
            chosen = min(awake, key=burden) if awake else min(self._servers, key=lambda server: server.rests_until)
            chosen.in_flight += 1
            wait = max(0.0, chosen.rests_until - now)
        self._stop.wait(wait)
        chosen.endpoint.pace.wait(self._stop)
        return chosen

    def _give_back(self, server: _Server) -> None:
        with self._lock:
            server.in_flight -= 1

    def _pause(self, server: _Server, failure: Failure, tries: int) -> None:
        """Wait before the next try; a server that cannot be reached rests, and the request goes to another at once."""
        seconds = backoff(tries, failure)
        if failure.unreachable:
            with self._lock:
                server.rests_until = time.monotonic() + seconds
        else:
            self._stop.wait(seconds)


def _chosen(found: list[str], model: str | None, url: str) -> str:
    if model in found or (model is None and len(found) == 1):
        return model or found[0]
    raise InputError(
        f"The server {url} serves {', '.join(found) or 'no model'}" + (f", not {model}." if model else "."),
        "Its model is named where it has several.",
        "Name one of them with --server-model.",
    )


def _refused(url: str, failure: Failure) -> InputError:
    remedy = "Correct what it names; what was answered is kept."
    if "trust-request-mm-kwargs" in failure.reason or "mm_processor_kwargs are disabled" in failure.reason:
        remedy = "Start it with `llava-faba serve --given-priors`, or leave the `landmark` files out of the data."
    if failure.fatal:
        remedy = f"Set the server's key as {KEY_VARIABLE}, or name another --server-model."
    return InputError(
        f"The server {url} refuses a request: {': '.join(filter(None, (failure.fatal, failure.reason)))}.",
        "It serves a model of ours to those who know its key.",
        remedy,
    )
