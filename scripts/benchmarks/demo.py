"""The demo with its tiny model, in a process of its own: its start, first words, rate, and memory over many requests.

    python scripts/benchmarks/demo.py [--requests 1000] [--clients 4] [--json OUT]

Printed are the seconds until the page answers and until the model is there, the median delay of the first word of a
question, requests a second, and the server's resident memory after each hundred requests, with its growth for a
thousand: the slope over the second half, when every buffer has its size.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from figures import keep, row
from gradio_client import Client, handle_file
from PIL import Image

QUESTION = "What emotions are conveyed by this face?"
EVERY = 100  # requests between two readings
TOKENS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [sys.executable, "-m", "llava_faba.cli", "demo", "--max-new-tokens", str(TOKENS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            try:
                figures = measure(server, began, Path(folder), args.requests, args.clients)
            finally:
                server.terminate()
    print(json.dumps(figures, indent=1))
    grown = figures["memory_mb"][-1] / figures["memory_mb"][0]
    measured = (
        f"{figures['page_seconds']} s, {figures['first_word_seconds']} s, from {figures['memory_mb'][0]} to "
        f"{figures['memory_mb'][-1]} MB"
    )
    keep(
        args.json, [row(f"demo: page, first word, memory over {args.requests:,} requests", measured, grown)], **figures
    )


def measure(server: subprocess.Popen, began: float, folder: Path, requests: int, clients: int) -> dict:
    """Use the server until all is measured."""
    address = next(line.split()[4] for line in server.stdout if "http" in line)
    assert httpx.get(address).status_code == 200
    page = time.perf_counter() - began
    callers = [Client(address, verbose=False, analytics_enabled=False) for _ in range(clients)]
    numbers = itertools.count()
    callers[0].predict(picture(folder, next(numbers)), QUESTION, api_name="/ask")
    model = time.perf_counter() - began
    delays = [first_word(callers[0], picture(folder, next(numbers))) for _ in range(15)]
    ask(callers, folder, numbers, EVERY)  # buffers get their size
    memory, started = [resident(server.pid)], time.perf_counter()
    for _ in range(requests // EVERY):
        ask(callers, folder, numbers, EVERY)
        memory.append(resident(server.pid))
    seconds = time.perf_counter() - started
    late = memory[len(memory) // 2 :]
    slope = np.polyfit(np.arange(len(late)) * EVERY / 1000, late, 1)[0] if len(late) > 1 else float("nan")
    return {
        "page_seconds": round(page, 2),
        "model_seconds": round(model, 2),
        "first_word_seconds": round(statistics.median(delays), 3),
        "requests_a_second": round(requests / seconds, 2),
        "memory_mb": [round(size) for size in memory],
        "growth_mb_per_1000": round(float(slope), 1),
    }


def ask(callers: list[Client], folder: Path, numbers: itertools.count, n: int) -> None:
    """Ask about n pictures that no two are alike, as many at once as there are callers."""
    with ThreadPoolExecutor(len(callers)) as pool:
        jobs = [(callers[i % len(callers)], picture(folder, next(numbers))) for i in range(n)]
        list(pool.map(lambda job: job[0].predict(job[1], QUESTION, api_name="/ask"), jobs))


def first_word(caller: Client, photo: dict) -> float:
    """Seconds from the question to the first word of its answer."""
    began = time.perf_counter()
    job = caller.submit(photo, QUESTION, api_name="/ask")
    next(iter(job))
    took = time.perf_counter() - began
    job.result()
    return took


def picture(folder: Path, number: int) -> dict:
    """A small picture like no other."""
    path = folder / f"{number}.png"
    pixels = np.random.default_rng(number).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((336, 336), Image.Resampling.NEAREST).save(path)
    return handle_file(path)


def resident(pid: int) -> float:
    """MB of a process in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
