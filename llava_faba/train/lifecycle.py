"""A training run's beginning and end: refused input is one message, and all ranks leave the process group together."""

import functools
import os
import sys
from collections.abc import Callable

import torch
import torch.distributed

from llava_faba.errors import InputError
from llava_faba.processes import first_rank

IN_WORKER = "llava_faba.errors.InputError: "  # so an error begins in what a loader process hands over
REFUSED = "llava_faba/refused"  # in the store through which the ranks of a run find each other


def with_clean_exit(stock: Callable[..., None]) -> Callable[..., None]:
    """Return LLaVA's train() with refused input as one message and status 1, and with an end that all ranks share."""

    @functools.wraps(stock)
    def train(attn_implementation: str | None = None) -> None:
        try:
            stock(attn_implementation=attn_implementation)
        except (InputError, RuntimeError) as error:
            if not isinstance(error, InputError) and IN_WORKER not in str(error):
                raise
            _refuse(str(error).rpartition(IN_WORKER)[2].strip())
        _leave_process_group()
        if first_rank():
            _print_next_command()

    return train


def end_process() -> None:
    """End a process whose last act was train(); for entry modules only, since nothing runs after it.

    Several ranks on CPUs now and then abort while Python takes its threads down, with everything written, and the
    launcher then calls the run a failure.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        os._exit(0)


def _refuse(message: str) -> None:
    """Print a message where the run failed, and end with status 1; of several ranks the first to fail prints."""
    if _is_first_to_fail():
        sys.stderr.write(f"\nerror: {message}\n")  # a line of its own, whatever bar another rank is drawing
        sys.stderr.flush()
    sys.exit(1)


def _is_first_to_fail() -> bool:
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        try:
            return distributed.distributed_c10d._get_default_store().add(REFUSED, 1) == 1
        except RuntimeError:  # the rank that keeps the store has ended, and not without a message
            return False
    return True


def _leave_process_group() -> None:
    """Wait for the writer, then close: a rank that ends first makes torchrun stop the others."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _print_next_command() -> None:
    from llava_faba.train.preflight import accepted_flags
    from llava_faba.train.record import print_end

    flags = accepted_flags()
    if flags is not None:
        model_args, _, training_args = flags
        print_end(training_args.output_dir, model_args.model_name_or_path)
