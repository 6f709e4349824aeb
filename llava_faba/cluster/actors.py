"""Work -> results, by Ray: actors on the nodes of a cluster do it, and the driver gets each result once, in order.

What is handed to an actor and what comes back are pickled here, so that Ray Data moves bytes only. An actor opens its
work (a model, most often) once. What a piece of work raises comes back as a row and is raised in the driver; what Ray
itself loses, an actor or a node, it does again on another one. Files are the driver's business alone.
"""

import contextlib
import logging
import os
import pickle
import re
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from llava_faba import __version__
from llava_faba.errors import InputError, missing_extra

Item = TypeVar("Item")
Result = TypeVar("Result")
Worker = Callable[[Item], Result]

BLOCKS = 4096  # at most, into which work is cut: what is lost with an actor, and what reaches the driver at once
CARRIED = ("HF_HOME", "HF_HUB_OFFLINE", "LLAVA_FABA_")  # the driver's settings that hold for its actors too
DONE, REFUSED, FAILED = "done", "refused", "failed"


class RayEngine:
    """Actors of a Ray cluster, or of this machine where no cluster is named.

    >>> engine = RayEngine("auto", gpus=1)  # doctest: +SKIP
    >>> list(engine.map(open_model, batches))  # doctest: +SKIP
    """

    def __init__(
        self, address: str | None = None, *, actors: int | None = None, cpus: float = 1, gpus: float | None = None
    ):
        """Connect; `cpus` and `gpus` are an actor's, by default a GPU where the cluster has any.

        `actors` are as many as there is room for now, by default. Raises InputError where there is no cluster at
        `address`, or where it has no room for one actor; MissingDependencyError without Ray.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported about a user's work
        os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # of 35 s each for a cluster that is gone; Ray has 20
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise missing_extra("ray", "ray", "--engine ray") from error
        self._ray = ray
        if not ray.is_initialized():
            _connect(ray, address)
        there = ray.cluster_resources()
        gpus = (1.0 if there.get("GPU", 0) else 0.0) if gpus is None else gpus
        self._needs = {"num_cpus": cpus, "num_gpus": gpus}
        room = min(int(there.get(kind, 0) // need) for kind, need in (("CPU", cpus), ("GPU", gpus)) if need)
        if room < 1 and actors is None:
            raise InputError(
                f"An actor takes {cpus:g} CPUs and {gpus:g} GPUs, and the cluster has "
                f"{there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs.",
                "The nodes that are there must have room for one actor.",
                "Give smaller --num-cpus and --num-gpus, or --actors N where the cluster grows by itself.",
            )
        self.actors = actors or room
        self._setup = {
            "version": __version__,
            "folder": os.getcwd(),
            "environment": {key: value for key, value in os.environ.items() if key.startswith(CARRIED)},
        }

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run a function once, on a node that an actor would have room on, in a process of its own."""
        task = self._ray.remote(max_calls=1, max_retries=3, **self._needs)(_call_there)
        work = pickle.dumps((function, arguments))
        with self._giving_up():
            outcome = self._ray.get(task.remote({**self._setup, "witness": None}, work))
        return _result_of(outcome)

    def map(
        self, open_worker: Callable[[], Worker[Item, Result]], items: Sequence[Item], witness: Path | str | None = None
    ) -> Iterator[Result]:
        """Yield what a worker makes of each item, each once and in their order, as soon as those before are there.

        `open_worker` runs once in each actor. `witness` is a file of the data, which every node must see too. Raises in
        the driver, in its place, what a worker raised for an item: InputError as it is, with the node's name, anything
        else as RuntimeError with its traceback. InputError also where Ray gives up.
        """
        if not items:
            return
        data = self._ray.data
        data.DataContext.get_current().enable_progress_bars = False  # the driver draws its own
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = [{"number": number, "item": pickle.dumps(item)} for number, item in enumerate(items)]
        actors = min(self.actors, len(rows))
        outcomes = data.from_items(rows, override_num_blocks=min(len(rows), BLOCKS)).map_batches(
            _Actor,
            fn_constructor_args=({**self._setup, "witness": _seen_here(witness)}, pickle.dumps(open_worker)),
            batch_size=1,
            batch_format="numpy",
            compute=data.ActorPoolStrategy(min_size=1, initial_size=actors, max_size=actors),  # one left goes on alone
            **self._needs,
        )
        early: dict[int, bytes] = {}  # what overtook an item before it
        following = 0
        for row in self._rows(outcomes):
            if row["number"] >= following:  # else it was done again with the rest of a lost block
                early[int(row["number"])] = row["outcome"]
            while following in early:
                yield _result_of(early.pop(following))
                following += 1
        if following < len(rows):
            raise RuntimeError(f"Ray gave back {following} of {len(rows)} results")

    def _rows(self, outcomes: Any) -> Iterator[dict[str, Any]]:
        with self._giving_up():
            yield from outcomes.iter_rows()

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Raise InputError where Ray, after its retries, raises an error of its own."""
        try:
            yield
        except self._ray.exceptions.RayError as error:
            raise InputError(
                f"Ray gave up: {' '.join(str(error).split())[-400:]}",
                "Every node has the same Python, packages and llava-faba; lost actors and nodes are made up for.",
                "Install what is missing there, and run the same command again: it goes on where it stopped.",
            ) from error


def _connect(ray: Any, address: str | None) -> None:
    """Join the cluster, or begin one here: "local", since without an address Ray joins what it finds, dead or not."""
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        if address and (found := re.fullmatch(r"\[?([^/\]]+)\]?:(\d+)", address)):
            socket.create_connection((found[1], int(found[2])), timeout=10).close()
        quiet = {"logging_level": "ERROR", "log_to_driver": False}
        ray.init(address, **quiet) if address else ray.init("local", include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise InputError(
            f"No Ray cluster at {address or 'this machine'}: {' '.join(str(error).split())[:300].rstrip('.')}.",
            "--address is auto on a node of a running cluster, else HOST:PORT as `ray start --head` printed it; all "
            "nodes run the same Python and ray.",
            "Start the cluster, correct --address, or leave it out to use this machine alone.",
        ) from error


class _Actor:
    """What runs on a node: it opens its work at the first item, so that an error of that is a row too."""

    def __init__(self, setup: dict[str, Any], open_worker: bytes):
        _settle(setup)
        self._setup, self._open_worker, self._worker = setup, open_worker, None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"number": batch["number"], "outcome": [_outcome(partial(self._work, item)) for item in batch["item"]]}

    def _work(self, item: bytes) -> Any:
        if self._worker is None:
            _refuse_unlike(self._setup)
            self._worker = pickle.loads(self._open_worker)()
        return self._worker(pickle.loads(item))


def _call_there(setup: dict[str, Any], work: bytes) -> bytes:
    _settle(setup)

    def call() -> Any:
        _refuse_unlike(setup)
        function, arguments = pickle.loads(work)
        return function(*arguments)

    return _outcome(call)


def _settle(setup: dict[str, Any]) -> None:
    """Make a path mean on this node what it means to the driver, where the nodes share its folder."""
    os.environ.update(setup["environment"])
    if os.path.isdir(setup["folder"]):
        os.chdir(setup["folder"])


def _seen_here(witness: Path | str | None) -> str | None:
    return os.path.abspath(witness) if witness is not None and os.path.exists(witness) else None


def _refuse_unlike(setup: dict[str, Any]) -> None:
    """Refuse to work on a node that would not do what the driver's machine does."""
    if setup["version"] != __version__:
        raise InputError(
            f"llava-faba is {__version__} here and {setup['version']} where the run was started.",
            "All nodes of a run have the same version.",
            "Install the same one everywhere.",
        )
    if setup["witness"] and not os.path.exists(setup["witness"]):
        raise InputError(
            f"{setup['witness']} is not here, but it is where the run was started.",
            "All nodes see the data and the model under the same path: a shared folder, or a copy on each node.",
            "Mount the folder there, or take the node out of the cluster.",
        )


def _outcome(work: Callable[[], Any]) -> bytes:
    """What became of a piece of work, pickled: its result or its error, never an exception."""
    try:
        return pickle.dumps((DONE, work()))
    except InputError as error:
        return pickle.dumps((REFUSED, (error, socket.gethostname())))
    except Exception:  # a fault of ours: the driver shows where
        return pickle.dumps((FAILED, f"on {socket.gethostname()}: {traceback.format_exc()}"))


def _result_of(outcome: bytes) -> Any:
    kind, value = pickle.loads(outcome)
    if kind == FAILED:
        raise RuntimeError(value)
    if kind == REFUSED:
        error, node = value
        raise type(error)(f"On the node {node}: {error.got}", error.allowed, error.remedy)
    return value
