"""A run that watches itself: every so many steps its model answers about faces it is not trained on, and is scored.

The best one is kept in OUT/checkpoint-best, the curve in run.json, in TensorBoard and as OUT/validation.png. What is
trained does not depend on it: see answering.py.
"""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from llava_faba.files import read_json, without_nan, write_atomically, write_json
from llava_faba.inference.describer import Describer
from llava_faba.inference.validation import METRICS, answer_faces, score_lines
from llava_faba.processes import say
from llava_faba.train.answering import answering, refuse_if_whole_is_too_large
from llava_faba.train.curve import NAMES, draw_curve
from llava_faba.train.ranks import all_parts, of_first_rank, rank_and_ranks
from llava_faba.train.validation_set import FOLDER, ValidationSet
from llava_faba.vocabulary import RUN_RECORD

BEST = "checkpoint-best"
PLOT = "validation.png"
LARGEST_SHARE = 0.05  # of a run's time, where nobody says how often to validate
VALIDATIONS = 10  # a run, likewise


class Validation(TrainerCallback):
    """Validates, keeps the best model, and stops a run that no longer gets better."""

    def __init__(self, trainer: Any, faces: ValidationSet):
        self._trainer, self._faces, self._flags = trainer, faces, faces.args
        self._curve: list[dict[str, Any]] = []
        self._best: dict[str, Any] | None = None
        self._seconds: list[float] = []  # of the validations of this process
        self._begun, self._first_step = 0.0, 0

    def go_on(self, output_dir: str) -> None:
        """Take the curve and the best model of the run that is resumed; called before its run.json is written anew."""
        file = Path(output_dir) / RUN_RECORD
        known = (read_json(file, "run record").get("validation") or {}) if file.is_file() else {}
        if {name: known.get(name) for name in self._faces.record()} == without_nan(self._faces.record()):
            self._curve, self._best = known.get("curve") or [], known.get("best")

    def on_train_begin(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        refuse_if_whole_is_too_large(self._trainer.model)
        self._begun, self._first_step = time.monotonic(), state.global_step
        if not self._curve:
            self._trainer.discard_model(BEST)
        if args.should_save:
            prior = getattr(args, "faba_record", {}).get("prior") or {}
            inputs = self._trainer.run_inputs
            self._faces.write(Path(args.output_dir), inputs.prior, prior.get("version"))

    def on_step_end(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        if state.global_step < state.max_steps and of_first_rank(self._is_due(state)):
            self._validate(args, state, control)

    def on_train_end(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        if not self._curve or self._curve[-1]["step"] != state.global_step:
            self._validate(args, state, control)
        total = time.monotonic() - self._begun
        share = sum(self._seconds) / total if total > 0 else 0.0
        best = self._best or {}
        if args.should_save:
            png = draw_curve(self._curve, best.get("step"))
            write_atomically(Path(args.output_dir) / PLOT, png)
            self._write(args, {"seconds": round(sum(self._seconds), 2), "share": round(share, 4)})
        say(
            f"validation: best at step {best.get('step')} ({self._name} {best.get('value', math.nan):.2f}), kept in "
            f"{Path(args.output_dir) / BEST}; it took {sum(self._seconds):.0f} s, {100 * share:.1f} % of the run"
        )

    @property
    def _name(self) -> str:
        return NAMES[self._faces.metric]

    def _is_due(self, state: Any) -> bool:
        """Whether to validate at this step: as the flag says, else every tenth of the run while the time allows it."""
        if self._flags.validation_steps is not None:
            return state.global_step % self._flags.validation_steps == 0
        if state.global_step % math.ceil(state.max_steps / VALIDATIONS):
            return False
        if not self._seconds:
            return True
        spent, done = sum(self._seconds), state.global_step - self._first_step
        trained = (time.monotonic() - self._begun - spent) / done * (state.max_steps - self._first_step)
        with_the_last = spent + 2 * max(self._seconds)  # this one, and the one at the end
        return with_the_last <= LARGEST_SHARE * (trained + with_the_last)

    def _validate(self, args: Any, state: Any, control: Any) -> None:
        _wait_for_device()
        begun = time.monotonic()
        lines = self._answers(args)
        scores = [score_lines([line for line in lines if line["task"] == task]) for task in self._faces.samples]
        value = self._value(scores)
        point = {"step": state.global_step, "epoch": round(state.epoch or 0.0, 4), "value": value, "scores": scores}
        self._curve = [other for other in self._curve if other["step"] < state.global_step] + [point]
        best = self._best is None or value > self._best["value"] or self._best["step"] == state.global_step
        if best:
            self._best = {"step": state.global_step, "value": value, "folder": BEST}
            self._trainer.keep_model(BEST)
        if args.should_save:
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            write_atomically(Path(args.output_dir) / FOLDER / f"step-{state.global_step}.jsonl", text)
        self._log(scores, control)
        _wait_for_device()
        self._seconds.append(time.monotonic() - begun)
        point["seconds"] = round(self._seconds[-1], 2)
        if args.should_save:
            self._write(args, {})
        say(f"validation at step {state.global_step}: {'; '.join(map(_told, scores))}{' (best)' if best else ''}")
        since = sum(other["step"] > self._best["step"] for other in self._curve)
        if 0 < self._flags.validation_patience <= since and state.global_step < state.max_steps:
            say(f"stopped at step {state.global_step}: {since} validation(s) without a better {self._name}")
            control.should_training_stop = True

    def _answers(self, args: Any) -> list[dict[str, Any]]:
        """Every rank answers about its part of the faces; return the lines of all of them, in the samples' order."""
        trainer, faces = self._trainer, self._faces
        rank, ranks = rank_and_ranks()
        with answering(trainer.model, args) as model:
            describer = Describer(
                trainer.run_tokenizer,
                model,
                trainer.train_dataset.data_args.image_processor,
                conversation=faces.conversation,
                batch_size=self._flags.validation_batch_size or args.per_device_train_batch_size,
            )
            mine = [
                (place, line)
                for task, samples in faces.samples.items()
                for place, line in zip(
                    range(rank, len(samples), ranks),
                    answer_faces(
                        describer,
                        samples[rank::ranks],
                        faces.known and faces.known[task],
                        task,
                        self._flags.validation_max_new_tokens,
                    ),
                    strict=True,
                )
            ]
        lines = [pair for part in all_parts(mine) for pair in part]
        return [line for _, line in sorted(lines, key=lambda pair: pair[0])]

    def _value(self, scores: list[dict[str, Any]]) -> float:
        """The mean of the chosen metric over the tasks; S_re where a task has no references to compare texts with."""
        chosen = [score["s_re"] if score[self._faces.metric] is None else score[self._faces.metric] for score in scores]
        return sum(chosen) / len(chosen)

    def _log(self, scores: list[dict[str, Any]], control: Any) -> None:
        """Hand the scores to what `--report_to` names, and to trainer_state.json."""
        logs = {f"eval_{score['task']}_{name}": score[name] for score in scores for name in METRICS}
        should_log = control.should_log  # of this step's loss; logging takes it back
        self._trainer.log({name: value for name, value in logs.items() if value is not None})
        control.should_log = should_log

    def _write(self, args: Any, more: Mapping[str, Any]) -> None:
        """Put the curve and the best step into run.json, which a run that parsed no flags does not have."""
        file = Path(args.output_dir) / RUN_RECORD
        if file.is_file():
            record = read_json(file, "run record")
            known = {**(record.get("validation") or {}), "curve": self._curve, "best": self._best, **more}
            write_json(file, {**record, "validation": known})


def _told(score: Mapping[str, Any]) -> str:
    numbers = [
        f"{NAMES[name]} {score[name]:.1f} [{score['ci95'][name][0]:.1f}, {score['ci95'][name][1]:.1f}]"
        for name in METRICS
        if score[name] is not None
    ]
    return f"{score['task']} {', '.join(numbers)}"


def _wait_for_device() -> None:
    """Let what the GPU still has to do be counted where it belongs."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
