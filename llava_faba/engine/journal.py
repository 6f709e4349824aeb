"""What was sent and what came back, each on disk before anything else happens: the memory of a run over kills.

WORK/requests.jsonl: first a line of settings; then for each request a line `sent`, with the worst case that is reserved
for it, and a line `answer`, `unpaid` (refused or never delivered) or `lost` (it may have been paid). A request without
its second line was in flight when the run was killed: it counts as lost.
"""

import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llava_faba.engine.budget import Usage
from llava_faba.errors import InputError
from llava_faba.files import JsonLines

REQUESTS = "requests.jsonl"


class Journal:
    """The requests of one output file; one process writes, all its threads may.

    >>> with Journal(work, {"model": "m"}) as journal:  # doctest: +SKIP
    ...     number = journal.sent("a.jpg", Usage(900, 512))
    ...     journal.answer(number, {"text": "The face shows happiness."}, Usage(700, 40))
    """

    def __init__(self, work: Path, settings: dict[str, Any]):
        self._lines = JsonLines(work / REQUESTS)
        self._lock = threading.Lock()
        self.requests: dict[int, dict[str, Any]] = {}  # number -> the request with what came of it
        try:
            self._read(settings, work)
        except BaseException:
            self._lines.close()
            raise

    def _read(self, settings: dict[str, Any], work: Path) -> None:
        lines = list(self._lines)
        if not lines:
            self._lines.append({"event": "settings", **settings})
        elif (there := {key: value for key, value in lines[0].items() if key != "event"}) != settings:
            other = sorted(key for key in settings.keys() | there.keys() if settings.get(key) != there.get(key))
            raise InputError(
                f"{work} holds the answers of another run: "
                + ", ".join(f"{key} is {there.get(key)!r} there and {settings.get(key)!r} now" for key in other)
                + ".",
                "A run is continued with the settings it began with.",
                "Give these again, or another --out.",
            )
        for line in lines[1:]:
            if line["event"] == "sent":
                self.requests[line["request"]] = line
            else:
                self.requests[line["request"]] |= line
        for number in [n for n, request in self.requests.items() if request["event"] == "sent"]:
            self._end(number, "lost", {"reason": "the run was ended while the request was in flight"}, None)

    def sent(self, image: str, reserved: Usage, **fields: Any) -> int:
        """Record that a request is about to be sent; return its number."""
        with self._lock:
            number = len(self.requests) + 1
            line = {"event": "sent", "request": number, "image": image, "reserved": asdict(reserved), **fields}
            self._lines.append(line)
            self.requests[number] = line
        return number

    def answer(self, number: int, fields: dict[str, Any], used: Usage | None) -> Usage:
        """Record a paid answer; return what it costs: as counted, or as reserved where the endpoint did not count."""
        return self._end(number, "answer", fields, used)

    def unpaid(self, number: int, reason: str) -> Usage:
        """Record that a request was refused, or not delivered."""
        return self._end(number, "unpaid", {"reason": reason}, Usage())

    def lost(self, number: int, reason: str) -> Usage:
        """Record that no answer came of a request that may have been paid."""
        return self._end(number, "lost", {"reason": reason}, None)

    def _end(self, number: int, event: str, fields: dict[str, Any], used: Usage | None) -> Usage:
        with self._lock:
            usage = Usage(**self.requests[number]["reserved"]) if used is None else used
            line = {"event": event, "request": number, **fields, "counted": used is not None, "usage": asdict(usage)}
            self._lines.append(line)
            self.requests[number] = {**self.requests[number], **line}
        return usage

    def answers(self) -> Iterator[dict[str, Any]]:
        """Yield the paid answers in the order in which they were asked for."""
        with self._lock:
            requests = list(self.requests.values())
        return (request for request in requests if request["event"] == "answer")

    def spent(self) -> Usage:
        """Return what all requests have cost, the lost ones at their worst."""
        ended = (request for request in self.requests.values() if request["event"] != "sent")
        return sum((Usage(**request["usage"]) for request in ended), Usage())

    def longest_prompt(self) -> int:
        """Return the longest prompt that the endpoint has counted, in tokens; 0: none yet."""
        return max((request["usage"]["prompt"] for request in self.answers() if request["counted"]), default=0)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        self._lines.close()
