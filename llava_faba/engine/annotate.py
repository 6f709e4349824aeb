"""Faces -> answers of an endpoint, each paid once: threads, retries, a budget, and a journal that outlives a kill."""

import hashlib
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from tqdm import tqdm

from llava_faba.data.fabainstruct import Task
from llava_faba.data.prompts import INSTRUCTIONS
from llava_faba.engine.budget import IMAGE_TOKENS, TEXT_TOKENS, Budget, Limits, Usage
from llava_faba.engine.endpoint import Endpoint
from llava_faba.engine.faces import Face
from llava_faba.engine.journal import Journal
from llava_faba.engine.replies import Failure, Reply, backoff

USUAL_ANSWER = {"emotion": 80, "au": 320}  # tokens: FABA-Instruct's mean words (Table 2), 50 and 207, by 1.5
IN_A_ROW = 20  # faces without an answer, after all their tries, that end a run


@dataclass(frozen=True)
class Settings:
    """What makes the answers of a run; a run is continued with the same."""

    task: Task
    model: str
    seed: int = 0
    samples: int = 1  # answers a face
    max_tokens: int = 512  # of an answer
    temperature: float | None = None  # None: the endpoint's own
    aligned: bool = False  # the pictures are sent as they are

    def record(self) -> dict[str, Any]:
        """Return the settings with the hash of the instructions, as the journal keeps them."""
        words = "\n".join(INSTRUCTIONS[self.task]).encode()
        return {**asdict(self), "instructions_sha256": hashlib.sha256(words).hexdigest()}


@dataclass
class Outcome:
    """How a run ended."""

    asked: int = 0  # answers that arrived
    ended: str = "done"  # "done", "budget", "stopped" (a fatal failure), "interrupted"
    reason: str = ""  # of "stopped"
    unanswered: dict[str, str] = field(default_factory=dict)  # image -> why; asked again by the next run


def draw_instruction(task: Task, seed: int, image: str, sample: int) -> tuple[str, str]:
    """Return the id and the words of the instruction that a seed draws for a face and the number of its answer.

    >>> draw_instruction("emotion", 0, "a.jpg", 0)[0].startswith("emotion-")
    True
    """
    lot = int.from_bytes(hashlib.sha256(f"{seed}\n{task}\n{image}\n{sample}".encode()).digest()[:8], "big")
    number = lot % len(INSTRUCTIONS[task])
    return f"{task}-{number:03d}", INSTRUCTIONS[task][number]


def answers_by_image(journal: Journal, faces: Iterable[Face]) -> dict[str, list[dict[str, Any]]]:
    """Return the paid answers about each face as it is now, in order; those about an earlier crop do not count."""
    hashes = {face.image: face.sha256 for face in faces}
    found: dict[str, list[dict[str, Any]]] = {image: [] for image in hashes}
    for answer in journal.answers():
        if hashes.get(answer["image"]) == answer["crop_sha256"]:
            found[answer["image"]].append(answer)
    return found


def still_to_ask(journal: Journal, faces: Sequence[Face], samples: int) -> list[tuple[Face, int]]:
    """Return the faces that lack answers, each with how many it has."""
    answered = answers_by_image(journal, faces)
    return [(face, len(answered[face.image])) for face in faces if len(answered[face.image]) < samples]


def estimate(requests: int, settings: Settings, limits: Limits, longest_prompt: int) -> dict[str, Any]:
    """Return what so many requests will cost: `usual` and `most` as tokens, and in USD where the prices are known."""
    prompt = longest_prompt or TEXT_TOKENS + IMAGE_TOKENS
    usual = Usage(requests * prompt, requests * min(USUAL_ANSWER[settings.task], settings.max_tokens))
    most = Usage(requests * prompt, requests * settings.max_tokens)
    return {
        "requests": requests,
        "usual_tokens": usual.prompt + usual.completion,
        "most_tokens": most.prompt + most.completion,
        "usual_usd": limits.cost(usual),
        "most_usd": limits.cost(most),
    }


class Annotation:
    """One run: it asks about faces until all have their answers, the budget is reached, or nothing can succeed.

    >>> Annotation(endpoint, journal, budget, settings).run(faces, concurrency=8)  # doctest: +SKIP
    Outcome(asked=100, ended='done', reason='', unanswered={})
    """

    def __init__(self, endpoint: Endpoint, journal: Journal, budget: Budget, settings: Settings, tries: int = 6):
        self.endpoint, self.journal, self.budget, self.settings, self.tries = endpoint, journal, budget, settings, tries
        self.outcome = Outcome()
        self._in_a_row = 0  # faces that were not answered
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def run(self, faces: Sequence[Face], concurrency: int) -> Outcome:
        """Ask about the faces that lack answers; after Ctrl-C requests in flight are waited for: they are paid."""
        todo = still_to_ask(self.journal, faces, self.settings.samples)
        with ThreadPoolExecutor(concurrency) as pool:
            jobs = [pool.submit(self._ask_face, face, have) for face, have in todo]
            try:
                for job in tqdm(as_completed(jobs), total=len(jobs), desc="annotate", unit="face", disable=None):
                    job.result()
            except BaseException as error:
                self._stop.set()
                if not isinstance(error, KeyboardInterrupt):
                    raise
                self.outcome.ended = "interrupted"
        return self.outcome

    def _ask_face(self, face: Face, have: int) -> None:
        """Ask until a face has its answers; each is on disk before the next request about the face."""
        for sample in range(have, self.settings.samples):
            tries = 0
            while not self._stop.is_set():
                failure = self._ask_once(face, sample)
                if failure is None:
                    break
                tries += 1
                if failure.fatal or (failure.unreachable and tries >= self.tries):
                    self._end("stopped", failure.fatal or "the endpoint cannot be reached", failure.reason)
                elif tries >= self.tries or failure.final:
                    self._give_up(face, failure)
                    return
                else:
                    self._stop.wait(backoff(tries, failure))

    def _ask_once(self, face: Face, sample: int) -> Failure | None:
        """Send one request; None where it was answered, or the run has ended."""
        self.endpoint.pace.wait(self._stop)
        reserved = self.budget.reserve()
        if reserved is None:
            self._end("budget")
            return None
        if self._stop.is_set():
            self.budget.settle(reserved, Usage())
            return None
        prompt_id, question = draw_instruction(self.settings.task, self.settings.seed, face.image, sample)
        key = f"{self.settings.model}\n{self.settings.seed}\n{prompt_id}\n{face.sha256}\n{sample}"
        identity = hashlib.sha256(key.encode()).hexdigest()[:32]
        number = self.journal.sent(
            face.image, reserved, sample=sample, prompt_id=prompt_id, crop_sha256=face.sha256, identity=identity
        )
        result = self.endpoint.ask(question, face.file, identity)
        if isinstance(result, Reply):
            fields = {"text": result.text, "finish": result.finish, "model": result.model, "question": question}
            fields["date"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
            used = self.journal.answer(number, fields, result.usage)
            self.budget.settle(reserved, used, answered=True)
            with self._lock:
                self.outcome.asked += 1
                self._in_a_row = 0
            return None
        ended = self.journal.lost if result.paid is None else self.journal.unpaid
        self.budget.settle(reserved, ended(number, result.reason))
        return result

    def _give_up(self, face: Face, failure: Failure) -> None:
        """Leave a face for the next run; many in a row mean that the endpoint is down."""
        with self._lock:
            self.outcome.unanswered[face.image] = failure.reason
            self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            self._end("stopped", f"{IN_A_ROW} faces in a row were not answered", failure.reason)

    def _end(self, ended: str, *reasons: str) -> None:
        with self._lock:
            if not self._stop.is_set():
                self.outcome.ended, self.outcome.reason = ended, ": ".join(filter(None, reasons))
        self._stop.set()
