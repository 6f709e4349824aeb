"""A large job's parts are disjoint, complete and in order, whoever hands them out."""

import pytest

from llava_faba.errors import InputError
from llava_faba.processes import Shard, parse_shard


@pytest.mark.parametrize(("items", "count"), [(10, 3), (3, 10), (0, 2), (1000, 7)])
def test_parts_one_after_the_other_are_the_whole(items, count):
    parts = [Shard(index, count).part(range(items)) for index in range(count)]
    assert [item for part in parts for item in part] == list(range(items))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_flag_counts_from_zero_and_wins_over_the_scheduler():
    assert parse_shard("1/4", {"RANK": "0", "WORLD_SIZE": "2"}) == Shard(1, 4)
    for wrong in ("4/4", "-1/4", "1", "1/0", "a/b", ""):
        with pytest.raises(InputError, match="from 0"):
            parse_shard(wrong, {})


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({}, Shard()),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Shard(1, 2)),
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"}, Shard(3, 8)),
        ({"SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "1"}, Shard(7, 8)),
        ({"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "5"}, Shard(2, 5)),
        ({"JOB_COMPLETION_INDEX": "2"}, Shard()),
        ({"RANK": "x", "WORLD_SIZE": "2"}, Shard()),
    ],
)
def test_schedulers_are_understood(environment, shard):
    assert parse_shard(None, environment) == shard
