"""Assess every clip of a test set and score the predictions: agreement with the raters, and the reports.

DATA is a PFED5+ style JSON or PFED5's csv. PREDICTIONS grows by one line a clip; a rerun skips what is there. Nothing
is chosen on this set: the model is loaded as it was trained. Patients of its training set do not belong in it.

examples:
  llava-faba evaluate-clips test.json --image-root clips --model-path runs/feqa --out predictions.jsonl
  llava-faba evaluate-clips test.json --image-root clips --model-path runs/feqa --out predictions.jsonl --json
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="annotated clips, .json or PFED5's .csv")
    parser.add_argument("--image-root", type=Path, required=True, help="the folder that clips are relative to")
    parser.add_argument("--model-path", required=True, help="a model of scripts/finetune_feqa_lora.sh")
    parser.add_argument("--model-base", help="the model that an adapter belongs to")
    parser.add_argument("--out", type=Path, required=True, metavar="PREDICTIONS.jsonl", help="one line a clip")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="length of a report (default: 256)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--dtype", default="float32", help="float32, float16 or bfloat16 (default: float32)")
    parser.add_argument("--json", nargs="?", const="-", metavar="OUT", help="write scores; - or nothing: stdout")


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from llava_faba.data.clips import read_samples
    from llava_faba.errors import InputError
    from llava_faba.eval.severity import score_clips
    from llava_faba.files import JsonLines, read_json, write_atomically, write_json
    from llava_faba.motion.clips import BadClip, read_clip
    from llava_faba.motion.measures import measure_motion
    from llava_faba.video.assessment import Assessor

    samples = read_samples(args.data, args.image_root)
    recipe = {"data": str(args.data.resolve()), "model": str(args.model_path), "tokens": args.max_new_tokens}
    beside = args.out.with_name(args.out.name + ".run.json")
    if beside.is_file() and read_json(beside, "run record") != recipe:
        raise InputError(
            f"{args.out} holds the predictions of another run: {beside} differs.",
            "One file holds one model's predictions of one data set.",
            "Choose another --out, or remove both files.",
        )
    assessor = Assessor.from_pretrained(args.model_path, args.model_base, device=args.device, dtype=args.dtype)
    write_atomically(beside, json.dumps(recipe, indent=1) + "\n")
    with JsonLines(args.out) as lines:
        done = {line["id"] for line in lines}
        for sample in tqdm([sample for sample in samples if sample.id not in done], unit="clip"):
            row: dict[str, Any] = {"id": sample.id, "expression": sample.expression, "patient": sample.patient}
            row |= {"rated": sample.severity, "severity": None, "interval": None, "report": None}
            row |= {"reference": reference_of(sample.conversations), "evidence_rate": None, "failed": None}
            try:
                clip = read_clip(sample.path)
                question = question_of(sample.conversations)
                record = assessor.assess(
                    clip,
                    measure_motion(clip),
                    sample.expression,
                    question=question,
                    max_new_tokens=args.max_new_tokens,
                )
                row |= {key: record[key] for key in ("severity", "interval", "report")}
                row["evidence_rate"] = record["evidence"]["rate"]
            except BadClip as error:
                row["failed"] = str(error)
            lines.append(row)
        rows = list(lines)
    scores = {**score_clips(rows), "failed": sum(row["failed"] is not None for row in rows)}
    scores["notes"] = assessor.notes
    if args.json == "-":
        print(json.dumps(scores, indent=1))
        return 0
    print("\n".join(table(scores)))
    if args.json:
        print(f"written: {write_json(args.json, scores)}", file=sys.stderr)
    return 0


def question_of(conversations: list[dict[str, str]]) -> str | None:
    """The question that a sample was annotated with, without the mark of the clip."""
    return conversations[0]["value"].replace("<image>", "").strip() if conversations else None


def reference_of(conversations: list[dict[str, str]]) -> str | None:
    """The report that a sample was annotated with."""
    return conversations[1]["value"] if len(conversations) > 1 else None


def table(scores: dict[str, Any]) -> list[str]:
    """The scores as lines to read."""
    columns = ("n", "spearman", "mae", "within_one", "weighted_kappa", "icc")
    lines = [f"{'':<16}" + "".join(f"{name:>16}" for name in columns)]
    groups = {**scores["per_expression"], **({"all": scores["all"]} if scores["all"] else {})}
    lines += [f"{name:<16}" + "".join(f"{group[key]:>16.3f}" for key in columns) for name, group in groups.items()]
    for key in ("spearman_mean", "spearman_fisher_mean", "interval_coverage", "evidence_rate", "rouge_l", "bleu"):
        lines.append(f"{key:<24}{scores[key]:8.3f}")
    lines.append(f"{scores['n']} clips, {scores['failed']} failed, {scores['reports']} reports with a reference")
    return lines + [f"note: {note}" for note in scores["notes"]]
