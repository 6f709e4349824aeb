"""A training run's beginning and end: refused input is one message, and all ranks leave together."""

import atexit
import functools
import os
import sys
import time
import zlib
from collections.abc import Callable

import torch
import torch.distributed

from llava_faba.errors import InputError
from llava_faba.processes import first_rank

SAID_IN = 10.0  # seconds in which a launcher ends the other ranks when the first one has failed before they could talk
IN_WORKER = "llava_faba.errors.InputError: "  # so an error begins in what a loader process hands over

_finished: list[bool] = []  # filled when all ranks have left the process group


def with_clean_exit(stock: Callable[..., None]) -> Callable[..., None]:
    """LLaVA's train() with a beginning and an end: refused input is one message, and all ranks end together."""

    atexit.register(_end_at_once)

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
            _say_what_next()

    return train


def _refuse(message: str) -> None:
    """End with a message and status 1; of several ranks with the same message one says it."""
    if _is_first_to_say(message):
        sys.stderr.write(f"\nerror: {message}\n")  # a line of its own, whatever bar another rank is drawing
        sys.stderr.flush()
    else:
        time.sleep(SAID_IN)  # a rank that ended first would have the launcher stop the one that speaks
    sys.exit(1)


def _is_first_to_say(message: str) -> bool:
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        try:
            store = distributed.distributed_c10d._get_default_store()
            return store.add(f"llava_faba/{zlib.crc32(message.encode())}", 1) == 1
        except RuntimeError:  # the first rank, which keeps the store, has ended, and not without a message
            return first_rank()
    if not first_rank():
        time.sleep(SAID_IN)
    return True


def _leave_process_group() -> None:
    """Wait for the writer, then close: a rank that ends first makes torchrun stop the others."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
        _finished.append(True)


def _end_at_once() -> None:
    """Several ranks on CPUs now and then abort while Python takes its threads down, with everything written."""
    if _finished:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _say_what_next() -> None:
    from llava_faba.train.preflight import accepted_flags
    from llava_faba.train.record import print_end

    flags = accepted_flags()
    if flags is not None:
        model_args, _, training_args = flags
        print_end(training_args.output_dir, model_args.model_name_or_path)
