"""A large job's parts are disjoint, complete and in order, whoever hands them out."""

import subprocess
import sys

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


ARRAY = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"}
GAPS = {"SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "7"}  # --array=0,3,7
STEPS = {  # --array=1-9:2
    "SLURM_ARRAY_TASK_COUNT": "5",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_MAX": "9",
    "SLURM_ARRAY_TASK_STEP": "2",
}
SRUN = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({}, Shard()),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Shard(1, 2)),
        (ARRAY, Shard(3, 8)),
        ({**ARRAY, "SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "8"}, Shard(7, 8)),
        ({**STEPS, "SLURM_ARRAY_TASK_ID": "5"}, Shard(2, 5)),
        (SRUN, Shard(2, 4)),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, Shard()),  # the batch script itself, which runs once
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, Shard(3, 4)),
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, Shard(0, 2)),
        ({**SRUN, "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"}, Shard(1, 4)),
        # torchrun on two nodes, started by one srun task each: its own ranks count
        ({"RANK": "5", "WORLD_SIZE": "8", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, Shard(5, 8)),
        ({**ARRAY, **SRUN}, Shard(3 * 4 + 2, 8 * 4)),
        ({"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "5"}, Shard(2, 5)),
    ],
)
def test_launchers_are_understood(environment, shard):
    assert parse_shard(None, environment) == shard


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        *(({**GAPS, "SLURM_ARRAY_TASK_ID": task}, "Slurm array with gaps") for task in ("0", "3", "7")),
        ({"SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_COUNT": "8"}, "Slurm array with gaps"),
        ({"SLURM_ARRAY_TASK_ID": "3"}, "no SLURM_ARRAY_TASK_COUNT"),
        ({"JOB_COMPLETION_INDEX": "2"}, "no JOB_COMPLETIONS"),
        ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK=x"),
        ({"RANK": "1"}, "torchrun.*no WORLD_SIZE"),
        ({"WORLD_SIZE": "2"}, "no RANK"),
        ({"SLURM_STEP_NUM_TASKS": "4"}, "srun.*no SLURM_PROCID"),
        ({"OMPI_COMM_WORLD_RANK": "4", "OMPI_COMM_WORLD_SIZE": "4"}, "OpenMPI"),
    ],
)
def test_a_task_whose_share_is_unknown_never_does_all_of_the_work(environment, said):
    with pytest.raises(InputError, match=said) as refused:
        parse_shard(None, environment)
    assert "--shard I/N" in refused.value.remedy
    assert parse_shard("0/1", environment) == Shard(), "the flag settles it"


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_a_process_that_keeps_its_memory_does_not_fault_it_in_again():
    """Forty times 64 MB: by default each is given back and comes page by page again."""
    program = (
        "import resource\n"
        "from llava_faba.processes import keep_memory\n"
        "{first}\n"
        "for _ in range(40): b'x' * (64 << 20)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)\n"
    )
    faults = [
        int(subprocess.run([sys.executable, "-c", program.format(first=first)], capture_output=True, check=True).stdout)
        for first in ("", "keep_memory()")
    ]
    assert faults[1] < faults[0] / 3
