"""Faces -> text by our model behind servers (`--server URL`): what `Describer` does where a model is loaded."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from llava_faba.engine.servers import Servers

AT_ONCE = 64  # requests in flight, over all servers


@dataclass(frozen=True)
class SentFace:
    """What is sent of one face: a PNG, which loses nothing, and its prior where it is known already."""

    png: bytes
    prior: np.ndarray | None  # (P,) float32; None: the server reads it from the picture


class ServedDescriber:
    """A model behind servers that describes faces; several threads may use one.

    >>> ServedDescriber(Servers(["http://127.0.0.1:8000/v1"])).record()  # doctest: +SKIP
    {'model': 'llava-v1.5-7b-faba', 'servers': ['http://127.0.0.1:8000/v1']}
    """

    prior = None  # it is read by the server
    model_path = None

    def __init__(self, servers: Servers, at_once: int = AT_ONCE):
        self.servers, self.batch_size = servers, at_once
        self._pool = ThreadPoolExecutor(at_once)

    def record(self) -> dict[str, Any]:
        """Say which model answers, and where."""
        return self.servers.record()

    def batch_start(self, done: int) -> int:
        """Where a stopped run goes on: an answer does not depend on those beside it."""
        return done

    def prepare_faces(
        self, pictures: Sequence[Image.Image], priors: Sequence[tuple[np.ndarray, bool] | None] | None = None
    ) -> list[SentFace]:
        """Prepare RGB pictures of faces; `priors` are (vector, whether a face was read) where they are known."""
        known = [None] * len(pictures) if priors is None else priors
        return [
            SentFace(_png(picture), prior[0] if prior is not None and prior[1] else None)
            for picture, prior in zip(pictures, known, strict=True)
        ]

    def describe_faces(
        self, faces: Sequence[SentFace], questions: Sequence[str], *, max_new_tokens: int = 512
    ) -> list[list[str | None]]:
        """Answer the questions about one batch of faces; None where no face was read and the model needs one."""
        self.servers.limit(max_new_tokens)

        def ask(face: SentFace, question: str) -> str | None:
            prior = None if face.prior is None else face.prior.tolist()
            return self.servers.ask(question, face.png, prior)

        jobs = [[self._pool.submit(ask, face, question) for question in questions] for face in faces]
        try:
            return [[job.result() for job in row] for row in jobs]
        except BaseException:
            self.servers.stop()
            self._pool.shutdown(wait=False, cancel_futures=True)
            raise


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
