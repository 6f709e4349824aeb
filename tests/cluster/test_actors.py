"""What Ray gives back, in any order and twice, reaches the driver once and in order; errors come home."""

import argparse
import os
import pickle
import random
import sys

import pytest

from llava_faba import __version__
from llava_faba.cluster import actors
from llava_faba.commands.engines import add_engine, chosen_engine
from llava_faba.errors import InputError, MissingDependencyError

SETUP = {"version": __version__, "folder": os.getcwd(), "environment": {}, "witness": None}


def double(item):
    if item == 7:
        raise InputError("Face 7 is odd.", "Faces are even.", "Leave it out.")
    return 2 * item


def open_double():
    return double


class FakeData:
    """Ray Data as far as the engine uses it: blocks of three rows, shuffled, the first two of them done twice."""

    DataContext = type("DataContext", (), {"get_current": staticmethod(lambda: argparse.Namespace())})
    ActorPoolStrategy = staticmethod(lambda **sizes: sizes)

    def from_items(self, rows, override_num_blocks):
        self.rows = rows
        return self

    def map_batches(self, actor, fn_constructor_args, **_):
        self.actor = actor(*fn_constructor_args)
        return self

    def iter_rows(self):
        blocks = [self.rows[at : at + 3] for at in range(0, len(self.rows), 3)]
        random.Random(0).shuffle(blocks)
        for row in [row for block in [*blocks[:2], *blocks] for row in block]:
            made = self.actor({"number": [row["number"]], "item": [row["item"]]})
            yield {key: values[0] for key, values in made.items()}


@pytest.fixture
def engine():
    made = actors.RayEngine.__new__(actors.RayEngine)
    exceptions = type("exceptions", (), {"RayError": KeyError})
    made._ray = type("ray", (), {"data": FakeData(), "exceptions": exceptions})
    made._needs, made._setup, made.actors = {}, SETUP, 3
    return made


def test_each_result_comes_once_and_in_the_order_of_the_items(engine):
    items = [n for n in range(40) if n != 7]
    assert list(engine.map(open_double, items)) == [2 * item for item in items]
    assert list(engine.map(open_double, [])) == []


def test_a_workers_refusal_is_raised_in_its_place_with_the_nodes_name(engine):
    results = engine.map(open_double, list(range(10)))
    assert [next(results) for _ in range(7)] == [0, 2, 4, 6, 8, 10, 12]
    with pytest.raises(InputError, match=r"On the node \S+: Face 7 is odd\. Faces are even\. Leave it out\."):
        next(results)


def test_a_fault_of_ours_shows_where_it_was(engine):
    with pytest.raises(RuntimeError, match="unsupported operand"):
        list(engine.map(open_double, [None]))


def test_what_ray_gives_up_is_one_clear_error(engine):
    def lost():
        raise KeyError("the actor died")
        yield

    engine._ray.data.iter_rows = lost
    with pytest.raises(InputError, match="Ray gave up: 'the actor died' Every node has the same Python"):
        list(engine.map(open_double, [1]))


def test_results_that_are_missing_are_noticed(engine):
    engine._ray.data.iter_rows = lambda: iter([{"number": 0, "outcome": pickle.dumps((actors.DONE, 1))}])
    with pytest.raises(RuntimeError, match="gave back 1 of 2"):
        list(engine.map(open_double, [1, 2]))


def test_a_node_without_the_data_or_of_another_version_refuses(tmp_path):
    there = {**SETUP, "witness": str(tmp_path / "0.png")}
    work = pickle.dumps(open_double)
    for setup, reason in ((there, "is not here, but it is where"), ({**SETUP, "version": "0"}, "and 0 where the run")):
        made = actors._Actor(setup, work)({"number": [0], "item": [pickle.dumps(1)]})
        with pytest.raises(InputError, match=reason):
            actors._result_of(made["outcome"][0])
    (tmp_path / "0.png").touch()
    made = actors._Actor(there, work)({"number": [0], "item": [pickle.dumps(1)]})
    assert actors._result_of(made["outcome"][0]) == 2


def test_ray_is_asked_for_only_with_its_engine_and_named_where_it_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert chosen_engine(flags()) is None
    with pytest.raises(MissingDependencyError, match=r"--engine ray needs .*pip install 'llava-faba\[ray\]'"):
        chosen_engine(flags("--engine", "ray"))


@pytest.mark.parametrize(
    "words, reason",
    [
        (["--address", "auto"], "--address was given without --engine ray"),
        (["--engine", "ray", "--actors", "0"], "--actors is 0"),
        (["--engine", "ray", "--num-gpus", "-1"], "--num-gpus is -1"),
    ],
)
def test_flags_that_do_not_fit_are_refused(words, reason):
    with pytest.raises(InputError, match=reason):
        chosen_engine(flags(*words))


def test_no_cluster_where_one_is_named_is_said_at_once():
    pytest.importorskip("ray")
    with pytest.raises(InputError, match=r"No Ray cluster at 127\.0\.0\.1:1: .*refused.*Start the cluster"):
        chosen_engine(flags("--engine", "ray", "--address", "127.0.0.1:1"))


def flags(*words):
    parser = argparse.ArgumentParser()
    add_engine(parser)
    return parser.parse_args(words)
