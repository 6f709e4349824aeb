"""A training run's measured peak of GPU memory -> run.json, beside the estimate that was made before it."""

from typing import Any

import torch
from transformers import TrainerCallback

from llava_faba.train.record import write_peak


class PeakMemory(TrainerCallback):
    """Writes the peak after the first step, which a look at a new run needs, and at the end, which has seen all data.

    The first rank's GPU speaks for all. AdamW's states come with the first step: the second one may take more.
    """

    def __init__(self) -> None:
        self._written = False

    def on_step_end(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        if not self._written:
            self._written = True
            self._write(args, state, "after_step_1")

    def on_train_end(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        self._write(args, state, "at_the_end")

    def _write(self, args: Any, state: Any, when: str) -> None:
        recorded = getattr(args, "faba_record", None) is not None
        if recorded and torch.cuda.is_available() and state.is_world_process_zero:
            write_peak(args.output_dir, when)
