"""Face and question -> one request to an OpenAI-compatible vision endpoint, and what came of it (replies.py)."""

import base64
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llava_faba.engine.replies import (
    FATAL,
    FINAL,
    LONGEST_RETRY_AFTER,
    MAYBE_PAID,
    Failure,
    Reply,
    limit_reset,
    read_broken,
    read_message,
    read_reply,
    retry_after,
)
from llava_faba.errors import InputError, missing_extra
from llava_faba.faces import Turn

KEY_VARIABLE = "OPENAI_API_KEY"
MIME = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp", ".gif": "gif", ".bmp": "bmp"}


@dataclass
class Pace:
    """When the next request may be sent: what the endpoint's rate-limit headers ask for, for all threads."""

    free_at: float = 0.0  # time.monotonic()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, seconds: float) -> None:
        """Let no thread send for so many seconds."""
        with self._lock:
            self.free_at = max(self.free_at, time.monotonic() + seconds)

    def wait(self, stop: threading.Event) -> None:
        """Wait until requests may be sent, or the run is stopped."""
        while (left := self.free_at - time.monotonic()) > 0 and not stop.wait(min(left, 1.0)):
            pass


class Endpoint:
    """An OpenAI-compatible endpoint: OpenAI's own, a gateway, or `vllm serve` on this machine.

    >>> endpoint = Endpoint("http://localhost:8000/v1", "qwen-vl", max_tokens=512)  # doctest: +SKIP
    >>> endpoint.ask("Which emotion does this face show?", Path("face.jpg"), "a-key")  # doctest: +SKIP
    Reply(text='The face shows happiness.', finish='stop', model='qwen-vl', usage=Usage(prompt=310, completion=6))
    """

    def __init__(
        self,
        url: str,
        model: str,
        max_tokens: int,
        temperature: float | None = None,
        timeout: float = 120.0,
        key_variable: str = KEY_VARIABLE,
        flag: str = "--endpoint",
        needs_key: bool = True,
    ):
        """`flag` is what named the address, for errors; `needs_key` asks for a key where it is another machine's."""
        try:
            import openai
        except ImportError as error:
            raise missing_extra("openai", "annotate", "Asking an endpoint") from error
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"{flag} is {url!r}.",
                "It is the address of an OpenAI-compatible API, with http or https.",
                "Give for example https://api.openai.com/v1 or http://localhost:8000/v1.",
            )
        key = os.environ.get(key_variable, "")
        if needs_key and not key and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise InputError(
                f"The environment has no {key_variable}.",
                f"{parts.hostname} is another machine, and its endpoint needs a key.",
                f"Set {key_variable}, or name another variable with --key-variable.",
            )
        self.url, self.host, self.model = url, parts.hostname, model
        self.max_tokens, self.temperature = max_tokens, temperature
        self.pace = Pace()
        self._openai = openai
        self._limit_name = "max_tokens"  # some models know it as max_completion_tokens only
        self._client = openai.OpenAI(base_url=url, api_key=key or "none", max_retries=0, timeout=timeout)

    def models(self) -> list[str] | Failure:
        """Ask which models the endpoint serves, by name."""
        try:
            body = self._client.models.with_raw_response.list().http_response.text
            return [str(model["id"]) for model in json.loads(body)["data"]]
        except self._openai.APIError as error:
            return self._failed(error)
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Failure(f"what it says of its models cannot be read: {error!r}", paid=None)

    def ask(
        self,
        question: str,
        picture: Path | bytes,
        identity: str,
        earlier: Sequence[Turn] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> Reply | Failure:
        """Ask once about one picture, a file or the bytes of a PNG, after `earlier` turns.

        `identity` names the request to gateways that pay a repeated one once; `extra` goes into its body as it is.
        """
        try:
            raw = self._client.chat.completions.with_raw_response.create(
                **self._request(question, picture, earlier, extra),
                extra_headers={"Idempotency-Key": identity, "X-Client-Request-Id": identity},
            )
            body = raw.http_response.text
        except self._openai.APIError as error:
            return self._failed(error)
        except (OSError, ValueError) as error:  # a body that cannot be decoded
            return Failure(f"the answer cannot be read: {error}", paid=None)
        if (pause := limit_reset(raw.headers)) is not None:
            self.pace.hold(pause)
        return read_reply(body, self.model)

    def stream(self, question: str, picture: bytes, earlier: Sequence[Turn] = ()) -> Iterator[str | Failure]:
        """Ask once; yield the answer so far, longer each time, or at the end why there is no more of it."""
        text, finished = "", False
        try:
            for part in self._client.chat.completions.create(**self._request(question, picture, earlier), stream=True):
                for choice in part.choices[:1]:
                    finished = finished or choice.finish_reason is not None
                    if choice.delta.content:
                        text += choice.delta.content
                        yield text.strip()
            if not finished:
                yield Failure("the answer broke off", paid=None)
        except self._openai.APIError as error:
            yield self._failed(error)
        except Exception as error:  # httpx gives what broke in the middle of an answer as it is
            yield Failure(f"the answer broke off: {error!r}", paid=None)

    def _request(
        self, question: str, picture: Path | bytes, earlier: Sequence[Turn] = (), extra: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        kind = "png" if isinstance(picture, bytes) else MIME.get(picture.suffix.lower(), "jpeg")
        data = picture if isinstance(picture, bytes) else picture.read_bytes()
        url = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        first, *further = [*(turn.question for turn in earlier), question]
        content = [{"type": "text", "text": first}, {"type": "image_url", "image_url": {"url": url}}]
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        for turn, asked in zip(earlier, further, strict=True):
            messages += [{"role": "assistant", "content": turn.answer}, {"role": "user", "content": asked}]
        options: dict[str, Any] = {"model": self.model, "messages": messages, self._limit_name: self.max_tokens}
        if self.temperature is not None:
            options["temperature"] = self.temperature
        return {**options, **({"extra_body": dict(extra)} if extra else {})}

    def _failed(self, error: Any) -> Failure:
        """What an error of the client library means."""
        if isinstance(error, self._openai.APIStatusError):
            return self._refused(error.status_code, error.response.headers, read_message(error.body) or str(error))
        if isinstance(error, self._openai.APIConnectionError):
            return read_broken(error)
        return Failure(f"the answer cannot be read: {error}", paid=None)

    def _refused(self, status: int, headers: Mapping[str, str], message: str) -> Failure:
        reason = f"status {status}: {' '.join(message.split())[:200]}"
        if status == 400 and "max_completion_tokens" in message:
            self._limit_name = "max_completion_tokens"
            return Failure(reason, paid=False, wait=0.0)
        if status == 429 and "insufficient_quota" in message:
            return Failure(reason, paid=False, fatal="the account has no credit left")
        wait = retry_after(headers)
        if wait is None and status == 429:
            wait = limit_reset(headers)
        if wait is not None and status in (429, 503):
            self.pace.hold(min(wait, LONGEST_RETRY_AFTER))
        paid = None if status in MAYBE_PAID else False
        return Failure(reason, paid, FATAL.get(status, ""), wait=wait, final=status in FINAL)
