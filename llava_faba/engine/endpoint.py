"""Face and question -> one request to an OpenAI-compatible vision endpoint, and what came of it.

Every failure is one of few: the request was not paid and may be repeated, it may have been paid (the connection broke
after it was sent), or no request to this endpoint can succeed (wrong key, unknown model, no network).
"""

import base64
import json
import math
import os
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llava_faba.engine.budget import Usage
from llava_faba.errors import InputError, missing_extra

KEY_VARIABLE = "OPENAI_API_KEY"
LONGEST_WAIT = 60.0  # seconds between two tries, where the endpoint names no time itself
LONGEST_RETRY_AFTER = 600.0  # seconds: an endpoint that asks for more is treated as one that is down
FATAL = {
    401: "the key is wrong or missing",
    403: "the key may not use this model",
    404: "there is no such model or path",
}
# Not paid: the endpoint refused. 408, 502 and 504 come from gateways that may have passed the request on.
MAYBE_PAID = {408, 502, 504}
NEVER_CONNECTED = {"ConnectError", "ConnectTimeout", "PoolTimeout"}  # httpx: nothing was sent
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
MIME = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp", ".gif": "gif", ".bmp": "bmp"}


@dataclass(frozen=True)
class Reply:
    """An answer that arrived whole."""

    text: str
    finish: str  # "stop", "length", "content_filter"
    model: str  # as the endpoint names it
    usage: Usage | None  # None where the endpoint did not count


@dataclass(frozen=True)
class Failure:
    """Why no answer came."""

    reason: str
    paid: bool | None  # False: not paid; None: it may have been
    fatal: str = ""  # why no other request can succeed either
    unreachable: bool = False  # no connection was made
    wait: float | None = None  # seconds, as the endpoint asks for


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
    ):
        try:
            import openai
        except ImportError as error:
            raise missing_extra("openai", "annotate", "Asking an endpoint") from error
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"--endpoint is {url!r}.",
                "It is the address of an OpenAI-compatible API, with http or https.",
                "Give for example https://api.openai.com/v1 or http://localhost:8000/v1.",
            )
        key = os.environ.get(key_variable, "")
        if not key and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise InputError(
                f"The environment has no {key_variable}.",
                f"{parts.hostname} is another machine, and its endpoint needs a key.",
                f"Set {key_variable}, or name another variable with --key-variable.",
            )
        self.host, self.model, self.max_tokens, self.temperature = parts.hostname, model, max_tokens, temperature
        self.pace = Pace()
        self._openai = openai
        self._limit_name = "max_tokens"  # some models know it as max_completion_tokens only
        self._client = openai.OpenAI(base_url=url, api_key=key or "none", max_retries=0, timeout=timeout)

    def ask(self, question: str, picture: Path, identity: str) -> Reply | Failure:
        """Ask once about one picture; `identity` names the request to gateways that pay a repeated one once."""
        kind = MIME.get(picture.suffix.lower(), "jpeg")
        url = f"data:image/{kind};base64,{base64.b64encode(picture.read_bytes()).decode()}"
        content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
        options: dict[str, Any] = {self._limit_name: self.max_tokens}
        if self.temperature is not None:
            options["temperature"] = self.temperature
        try:
            raw = self._client.chat.completions.with_raw_response.create(
                model=self.model,
                messages=[{"role": "user", "content": content}],
                extra_headers={"Idempotency-Key": identity, "X-Client-Request-Id": identity},
                **options,
            )
            body = raw.http_response.text
        except self._openai.APIStatusError as error:
            return self._refused(error.status_code, error.response.headers, _message(error.body) or str(error))
        except self._openai.APIConnectionError as error:
            return _broken(error)
        except (OSError, ValueError) as error:  # a body that cannot be decoded
            return Failure(f"the answer cannot be read: {error}", paid=None)
        if (pause := _limit_reset(raw.headers)) is not None:
            self.pace.hold(pause)
        return _reply(body, self.model)

    def _refused(self, status: int, headers: Mapping[str, str], message: str) -> Failure:
        reason = f"status {status}: {' '.join(message.split())[:200]}"
        if status == 400 and "max_completion_tokens" in message and self._limit_name == "max_tokens":
            self._limit_name = "max_completion_tokens"
            return Failure(reason, paid=False, wait=0.0)
        if status == 429 and "insufficient_quota" in message:
            return Failure(reason, paid=False, fatal="the account has no credit left")
        wait = _retry_after(headers)
        if wait is None and status == 429:
            wait = _limit_reset(headers)
        if wait is not None and status in (429, 503):
            self.pace.hold(min(wait, LONGEST_RETRY_AFTER))
        return Failure(reason, None if status in MAYBE_PAID else False, FATAL.get(status, ""), wait=wait)


def backoff(tries: int, failure: Failure) -> float:
    """Return how long to wait after so many tries, in seconds: as asked, else up to 1, 2, 4, ... 60, drawn evenly.

    Even draws keep threads apart that failed together ("full jitter":
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    if failure.wait is not None:
        return min(failure.wait, LONGEST_RETRY_AFTER)
    return random.uniform(0, min(LONGEST_WAIT, 2.0 ** (tries - 1)))


def _reply(body: str, model: str) -> Reply | Failure:
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        text = choice["message"]["content"] or choice["message"].get("refusal") or ""
        counted = answer.get("usage") or {}
        prompt, completion = counted.get("prompt_tokens"), counted.get("completion_tokens")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return Failure(f"the answer is no chat completion: {' '.join(body.split())[:80]!r}", paid=None)
    if not isinstance(text, str):
        return Failure(f"the answer's content is a {type(text).__name__}, not a text", paid=None)
    whole = isinstance(prompt, int) and isinstance(completion, int) and min(prompt, completion) >= 0
    usage = Usage(prompt, completion) if whole else None
    return Reply(text.strip(), str(choice.get("finish_reason") or "stop"), str(answer.get("model") or model), usage)


def _broken(error: Exception) -> Failure:
    cause = error.__cause__
    kinds = {type(link).__name__ for link in (error, cause, getattr(cause, "__cause__", None)) if link is not None}
    never = bool(kinds & NEVER_CONNECTED)
    told = f"{type(cause or error).__name__}: {cause or error}"
    return Failure(
        f"{'no connection' if never else 'the connection broke'} ({told})", False if never else None, "", never
    )


def _message(body: Any) -> str:
    if not isinstance(body, dict):
        return str(body or "")
    return " ".join(str(body[key]) for key in ("code", "type", "message") if body.get(key))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by Retry-After (seconds or a date, RFC 9110 section 10.2.3) or retry-after-ms."""
    try:
        if "retry-after-ms" in headers:
            return _sane(float(headers["retry-after-ms"]) / 1000)
        written = headers.get("retry-after")
        if written is None:
            return None
        if re.fullmatch(r"\s*\d+(?:\.\d+)?\s*", written):
            return _sane(float(written))
        return _sane(parsedate_to_datetime(written).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _limit_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until a limit that is used up is lifted; None while requests and tokens are left.

    https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers: "1s", "6m0s", "20ms"
    """
    waits = []
    for kind in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() == "0":
            parts = _DURATION.findall(headers.get(f"x-ratelimit-reset-{kind}", ""))
            waits.append(sum(float(number) * _SECONDS[unit] for number, unit in parts) or 1.0)
    return _sane(max(waits)) if waits else None


def _sane(seconds: float) -> float | None:
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None
