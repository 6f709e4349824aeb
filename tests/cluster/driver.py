"""A driver in a process of its own: `python -m tests.cluster.driver PAUSE llava-faba's words...`.

Whatever it writes waits PAUSE seconds first, so that a test has the time to kill something half-way.
"""

import sys
import time
from typing import Any

from llava_faba import cli
from llava_faba.files import GrowingFile
from llava_faba.prior.store import VectorWriter


def slowed(function: Any, pause: float) -> Any:
    def slowly(*arguments: Any) -> None:
        time.sleep(pause)
        function(*arguments)

    return slowly


if __name__ == "__main__":
    GrowingFile.write = slowed(GrowingFile.write, float(sys.argv[1]))
    VectorWriter.__call__ = slowed(VectorWriter.__call__, float(sys.argv[1]))
    sys.exit(cli.main(sys.argv[2:]))
