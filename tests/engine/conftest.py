"""Faces and a local endpoint for the tests of the data engine."""

import numpy as np
import pytest
from PIL import Image

from tests.engine.server import Server


@pytest.fixture
def serve():
    """serve(faults, ...) -> a running `Server`, closed at the test's end."""
    servers = []

    def serve(*args, **options) -> Server:
        servers.append(Server(*args, **options))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def pictures(tmp_path):
    """pictures(n) -> a folder of n different small pictures without a face, to be sent with --aligned."""

    def pictures(n: int):
        folder = tmp_path / "pictures"
        folder.mkdir()
        for number in range(n):
            pixels = np.random.default_rng(number).integers(0, 255, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:03d}.png")
        return folder

    return pictures
