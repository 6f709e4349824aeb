"""What came of a request to an endpoint: a reply, or one of few kinds of failure, and how long to wait after it.

A failure was not paid and may be repeated, or may have been paid (the connection broke after it was sent), or says that
no request to this endpoint can succeed (wrong key, unknown model, no network).
"""

import json
import math
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from llava_faba.engine.budget import Usage

LONGEST_WAIT = 60.0  # seconds between two tries, where the endpoint names no time itself
LONGEST_RETRY_AFTER = 600.0  # seconds: an endpoint that asks for more is treated as one that is down
FATAL = {
    401: "the key is wrong or missing",
    403: "the key may not use this model",
    404: "there is no such model or path",
}
# Not paid: the endpoint refused. 408, 502 and 504 come from gateways that may have passed the request on.
MAYBE_PAID = {408, 502, 504}
FINAL = {400, 413, 415, 422}  # this picture or question is not accepted; another one may be
NEVER_CONNECTED = {"ConnectError", "ConnectTimeout", "PoolTimeout"}  # httpx: nothing was sent
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


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
    final: bool = False  # the same request would be refused again
    wait: float | None = None  # seconds, as the endpoint asks for


def backoff(tries: int, failure: Failure) -> float:
    """Return how long to wait after so many tries, in seconds: as asked, else up to 1, 2, 4, ... 60, drawn evenly.

    Even draws keep threads apart that failed together ("full jitter":
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    if failure.wait is not None:
        return min(failure.wait, LONGEST_RETRY_AFTER)
    return random.uniform(0, min(LONGEST_WAIT, 2.0 ** (tries - 1)))


def read_reply(body: str, model: str) -> Reply | Failure:
    """Read the body of a chat completion; `model` is the name that it may leave out."""
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


def read_broken(error: Exception) -> Failure:
    """Say what a connection error of the client library means."""
    cause = error.__cause__
    kinds = {type(link).__name__ for link in (error, cause, getattr(cause, "__cause__", None)) if link is not None}
    never = bool(kinds & NEVER_CONNECTED)
    told = f"{type(cause or error).__name__}: {cause or error}"
    return Failure(
        f"{'no connection' if never else 'the connection broke'} ({told})", False if never else None, "", never
    )


def read_message(body: Any) -> str:
    """Return what the body of a refusal says, in a line."""
    if not isinstance(body, dict):
        return str(body or "")
    return " ".join(str(body[key]) for key in ("code", "type", "message") if body.get(key))


def retry_after(headers: Mapping[str, str]) -> float | None:
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


def limit_reset(headers: Mapping[str, str]) -> float | None:
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
