"""Assess every clip of a test set and score the predictions: agreement with the raters, and the reports.

DATA is a PFED5+ style JSON or PFED5's csv. PREDICTIONS grows by one line a clip; a rerun skips what is there. Nothing
is chosen on this set: the model is loaded as it was trained. A clip, file or patient that the model was trained or
validated on is refused: the model knows their hashes. --allow-seen scores them all the same, and says so.

The interval's coverage is given for all clips and by patient: a 90 % interval should hold 85 to 95 % of the ratings of
new patients, if these are exchangeable with the patients that the model was validated on.

examples:
  llava-faba evaluate-clips test.json --image-root clips --model-path runs/feqa --out predictions.jsonl
  llava-faba evaluate-clips test.json --image-root clips --model-path runs/feqa --out predictions.jsonl --json
  llava-faba evaluate-clips test.json --image-root clips --model-path runs/feqa --out predictions.jsonl --engine ray
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llava_faba.commands.devices import add_device
from llava_faba.commands.engines import add_engine

if TYPE_CHECKING:
    from llava_faba.data.clips import ClipSample


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="annotated clips, .json or PFED5's .csv")
    parser.add_argument("--image-root", type=Path, required=True, help="the folder that clips are relative to")
    parser.add_argument("--model-path", required=True, help="a model of scripts/finetune_feqa_lora.sh")
    parser.add_argument("--model-base", help="the model that an adapter belongs to")
    parser.add_argument("--out", type=Path, required=True, metavar="PREDICTIONS.jsonl", help="one line a clip")
    parser.add_argument("--trajectory-folder", metavar="DIR", help="PFED5's released landmarks, as in training")
    parser.add_argument("--colour-folder", metavar="DIR", help="PFED5's released colours, as in training")
    parser.add_argument("--trajectory-cache", type=Path, metavar="DIR", help="default: .trajectories in the clip root")
    parser.add_argument("--allow-seen", action="store_true", help="score clips and patients of the training set too")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="length of a report (default: 256)")
    add_device(parser)
    add_engine(parser)
    parser.add_argument("--json", nargs="?", const="-", metavar="OUT", help="write scores; - or nothing: stdout")


def run(args: argparse.Namespace) -> int:
    from llava_faba.commands.devices import choose_device
    from llava_faba.commands.engines import chosen_engine
    from llava_faba.commands.output import emit_json
    from llava_faba.data.clips import read_samples, with_released
    from llava_faba.eval.severity import score_clips
    from llava_faba.inference.runs import data_record
    from llava_faba.video.predictions import Predictor, predict_clips

    released = args.trajectory_folder, args.colour_folder
    samples = [with_released(sample, *released) for sample in read_samples(args.data, args.image_root)]
    engine = chosen_engine(args, gpus=0 if args.device == "cpu" else None)
    if engine is None:
        choose_device(args)
    predictor = Predictor(
        args.model_path,
        args.model_base,
        {"device": args.device, "dtype": args.dtype},
        args.trajectory_cache or args.image_root / ".trajectories",
        args.max_new_tokens,
    )
    leakage: dict[str, dict[str, int]] | None = None
    notes: list[str] = []

    def claim(about: dict[str, Any]) -> dict[str, Any]:
        """Refuse a model that knows the clips, and say what makes the predictions."""
        nonlocal leakage
        leakage = seen_before(samples, about["clips_seen"], args.allow_seen)
        notes.extend(about["notes"])
        return {
            **about["checkpoint"],
            **data_record(args.data, args.image_root),
            **{flag: getattr(args, flag) for flag in ("trajectory_folder", "colour_folder", "max_new_tokens")},
            "dtype": about["dtype"],
        }

    rows = predict_clips(predictor, samples, args.out, claim, engine)
    scores = {**score_clips(rows), "failed": sum(row["failed"] is not None for row in rows)}
    scores |= {"leakage": leakage, "notes": [*notes, *leakage_notes(leakage)]}
    if args.json != "-":
        print("\n".join(table(scores)))
    if args.json:
        emit_json(scores, args.json)
    return 0


def seen_before(
    samples: Sequence["ClipSample"], seen: Mapping[str, Any] | None, allowed: bool
) -> dict[str, dict[str, int]] | None:
    """Return how many ids, files and patients of the test set each set of the model's training holds.

    None for a model that does not know. Raises InputError where there is one and that was not allowed.
    """
    from llava_faba.data.leakage import marks_of, shared_marks
    from llava_faba.errors import InputError

    if not seen:
        return None
    marks = marks_of(samples)
    found = {name: shared_marks(marks, other) for name, other in seen.items()}
    leaks = [
        f"{count} {kind} of its {name} set" for name, kinds in found.items() for kind, count in kinds.items() if count
    ]
    if leaks and not allowed:
        raise InputError(
            f"The test set holds clips that the model has seen: {', '.join(leaks)}.",
            "A score says something about new patients only where none of them was in training or validation.",
            "Split by patient (llava-faba split-clips), or give --allow-seen to score them all the same.",
        )
    return found


def leakage_notes(leakage: dict[str, dict[str, int]] | None) -> list[str]:
    """What a reader of the scores must know about clips that the model had seen."""
    if leakage is None:
        return ["the model does not know its training clips: whether the test set shares patients cannot be told"]
    if any(count for kinds in leakage.values() for count in kinds.values()):
        return [f"NOT HELD OUT: the test set shares clips with the model's training: {leakage}"]
    return []


def table(scores: dict[str, Any]) -> list[str]:
    """The scores as lines to read."""
    columns = ("n", "spearman", "mae", "within_one", "weighted_kappa", "icc", "interval_coverage")
    lines = [f"{'':<16}" + "".join(f"{name:>18}" for name in columns)]
    groups = {**scores["per_expression"], **({"all": scores["all"]} if scores["all"] else {})}
    lines += [f"{name:<16}" + "".join(f"{group[key]:>18.3f}" for key in columns) for name, group in groups.items()]
    keys = ("spearman_mean", "spearman_fisher_mean", "interval_coverage", "interval_coverage_by_patient")
    for key in (*keys, "evidence_rate", "rouge_l", "bleu"):
        lines.append(f"{key:<30}{scores[key]:8.3f}")
    covered = {name: group["interval_coverage"] for name, group in scores["per_patient"].items()}
    low = sorted((share, name) for name, share in covered.items() if share < scores["interval_level"])
    if low:
        least = ", ".join(f"{name} {share:.2f}" for share, name in low[:5])
        lines.append(f"{len(low)} of {len(covered)} patients are covered less often than promised; least: {least}")
    lines.append(f"{scores['n']} clips, {scores['failed']} failed, {scores['reports']} reports with a reference")
    return lines + [f"note: {note}" for note in scores["notes"]]
