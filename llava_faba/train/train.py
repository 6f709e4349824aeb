"""LLaVA's own train() under our names: attach, and run it."""

import warnings

from llava_faba.plugin import attach
from llava_faba.train.lifecycle import end_process


def train(attn_implementation: str | None = None) -> None:
    """Run LLaVA's train() with the command line's flags; on rank 0 end with what was written and the next command."""
    attach()
    from llava.train import train as llava_train

    # peft 0.21 asks transformers 5.23 for it, and a user can do nothing about that.
    warnings.filterwarnings("ignore", r"`\w*gradient_checkpointing\w*` is deprecated", FutureWarning)
    llava_train.train(attn_implementation=attn_implementation)


if __name__ == "__main__":
    train()
    end_process()
