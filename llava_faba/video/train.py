"""LLaVA's own train() on clips: attach, put the classes of clips in the place of those of pictures, run.

deepspeed --module llava_faba.video.train <LLaVA's flags> --motion_frames 64 ...
"""

from typing import Any

from llava_faba.plugin import attach


def train() -> None:
    """Run LLaVA's train() with the command line's flags, on clips."""
    attachment = attach()
    from llava_faba.train.train import train as run
    from llava_faba.video.arguments import FeqaDataArguments, FeqaModelArguments
    from llava_faba.video.modeling import FeqaLlavaForCausalLM
    from llava_faba.video.trainer import FeqaTrainer

    attachment.replace_in_train(
        LlavaLlamaForCausalLM=FeqaLlavaForCausalLM,
        LLaVATrainer=FeqaTrainer,
        ModelArguments=FeqaModelArguments,
        DataArguments=FeqaDataArguments,
        make_supervised_data_module=make_clip_data_module,
    )
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
    train()
