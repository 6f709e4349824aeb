"""LLaVA's own train() under our names: attach, run it, and say what was written."""

import os
import sys

from llava_faba.errors import InputError
from llava_faba.host.attach import attach


def train(attn_implementation: str | None = None) -> None:
    """Run LLaVA's train() with the command line's flags; on rank 0 end with what was written and the next command."""
    attach()
    from llava.train import train as llava_train

    try:
        llava_train.train(attn_implementation=attn_implementation)
    except InputError as error:
        sys.exit(f"error: {error}")
    _leave_process_group()
    if os.environ.get("RANK", "0") == "0":
        _say_what_next()


def _leave_process_group() -> None:
    """Wait for the writer, then close: a rank that ends first makes torchrun stop the others."""
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _say_what_next() -> None:
    from llava_faba.train.summary import print_end

    flags = dict(zip(sys.argv, sys.argv[1:], strict=False))
    if "--output_dir" in flags:
        is_adapter = flags.get("--lora_enable", "False").lower() == "true"
        print_end(flags["--output_dir"], flags.get("--model_name_or_path", "BASE"), is_adapter)


if __name__ == "__main__":
    train()
