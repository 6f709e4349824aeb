"""LLaVA's own train() on clips: attach, with the classes of clips (plugin.FOR_CLIPS), and run.

deepspeed --module llava_faba.video.train <LLaVA's flags> --motion_frames 64 ...
"""

from typing import Any

from llava_faba.plugin import attach


def train() -> None:
    """Run LLaVA's train() with the command line's flags, on clips."""
    attach().bind_clips()
    from llava_faba.train.train import train as run

    run()


def make_clip_data_module(tokenizer: Any, data_args: Any) -> dict[str, Any]:
    """Make data set and collator for LLaVA's `train()`, which calls this under LLaVA's name for it."""
    from llava_faba.video.dataset import ClipCollator, ClipDataset

    return {
        "train_dataset": ClipDataset(data_args.data_path, tokenizer, data_args),
        "eval_dataset": None,
        "data_collator": ClipCollator(tokenizer=tokenizer),
    }


if __name__ == "__main__":
    from llava_faba.train.lifecycle import end_process

    train()
    end_process()
