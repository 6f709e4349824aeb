"""Assess a clip of a face: severity with its interval, the report, and the measured motion behind them.

CLIP is a video file or a folder of frames. The motion of mouth corners, brows and lids is measured on the landmarks, in
inter-ocular distances and seconds, on valid frames only: a covered mouth and a turned head are gaps, not numbers. Left
and right are as seen in the picture. --report-only-motion needs no model. Severity is 0..4 as MDS-UPDRS rates facial
expression; nothing here is a diagnosis.

The JSON has clip, frames, fps, valid_share, region_valid_share, motion, severity, interval, report, evidence, model and
warnings; without a model severity, interval, report and evidence are null.

examples:
  llava-faba assess clip.mp4 --model-path runs/feqa --model-base models/llava-v1.5-7b --expression smile --json
  llava-faba assess clip.mp4 --report-only-motion --plot motion.png
  llava-faba assess clip.mp4 --report-only-motion --json
  llava-faba assess frames/ --fps 30 --report-only-motion --json motion.json
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from llava_faba.commands.devices import add_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, metavar="CLIP", help="a video file, or a folder of frames")
    parser.add_argument("--model-path", help="a model of scripts/finetune_feqa_lora.sh")
    parser.add_argument("--model-base", help="the model that an adapter belongs to")
    parser.add_argument("--expression", help="what the person was asked to do: smile, frown, sit_at_rest, ...")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="length of the report (default: 256)")
    parser.add_argument("--revision", help="branch, tag or commit of --model-path on the hub (default: main)")
    parser.add_argument("--base-revision", help="the same for --model-base")
    add_device(parser)
    parser.add_argument("--report-only-motion", action="store_true", help="measure only; no model is needed")
    parser.add_argument("--fps", type=float, help="frames a second of a folder of frames (default: 25)")
    parser.add_argument("--json", nargs="?", const="-", metavar="OUT", help="write JSON; - or nothing: standard output")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="draw the motion over time")


def run(args: argparse.Namespace) -> int:
    from llava_faba.commands.devices import choose_device
    from llava_faba.commands.output import emit, emit_json
    from llava_faba.errors import InputError
    from llava_faba.motion.clips import read_clip
    from llava_faba.motion.measures import measure_motion
    from llava_faba.video.assessment import Assessor, motion_record

    wanted = {"--model-path": args.model_path, "--expression": args.expression}
    missing = [flag for flag, value in wanted.items() if not value]
    if missing and not args.report_only_motion:
        raise InputError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not given.",
            "Severity and report come from a trained model, for the expression that was asked for.",
            "Give both, or --report-only-motion.",
        )
    if args.fps is not None and not 1 <= args.fps <= 1000:
        raise InputError(f"--fps is {args.fps}.", "It lies between 1 and 1000.", "Give the clip's frames a second.")
    clip = read_clip(args.clip, fps=args.fps, progress=sys.stderr.isatty())
    for warning in clip.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    motion = measure_motion(clip)
    if args.report_only_motion:
        record = motion_record(clip, motion)
    else:
        choose_device(args)
        place = {"device": args.device, "dtype": args.dtype}
        revisions = {"revision": args.revision, "base_revision": args.base_revision}
        assessor = Assessor.from_pretrained(args.model_path, args.model_base, **place, **revisions)
        record = assessor.assess(clip, motion, args.expression, max_new_tokens=args.max_new_tokens)
    if args.plot:
        from llava_faba.motion.plot import draw_motion

        emit(draw_motion(clip, motion), args.plot)
    if args.json != "-":
        print("\n".join(table(record, motion.reasons)))
    if args.json:
        emit_json(record, args.json)
    return 0


def table(record: dict[str, Any], reasons: dict[str, str]) -> list[str]:
    """The record as lines to read."""
    regions = ", ".join(f"{region} {100 * share:.0f} %" for region, share in record["region_valid_share"].items())
    lines = [
        f"{record['clip']}: {record['frames']} frames, {record['fps']:.2f} a second",
        f"face seen in {100 * record['valid_share']:.0f} % of them ({regions})",
        "",
    ]
    width = max(map(len, record["motion"]))
    for name, measured in record["motion"].items():
        value = f"{measured['value']:>10.4g}" if measured["value"] is not None else f"{'-':>10}"
        lines.append(f"{name:<{width}} {value}  {measured['unit']}" + (f": {reasons[name]}" if name in reasons else ""))
    if record["model"]:
        lines += ["", *(f"note: {note}" for note in record["model"]["notes"]), *told(record)]
    return lines


def told(record: dict[str, Any]) -> list[str]:
    """The model's part of the record as lines to read; what it was not trained for is left out."""
    lines = []
    if record["severity"] is not None:
        interval = record["interval"]
        around = ", no interval: the model was never validated"
        if interval:
            bounds = f"{interval['low']:.2f} to {interval['high']:.2f}"
            around = f", {100 * interval['level']:.0f} % interval {bounds} ({interval['method']})"
        lines.append(f"severity of {record['model']['expression']}: {record['severity']:.2f} of 4{around}")
    if record["evidence"] is not None:
        lines.append("report:")
        for judged in record["evidence"]["sentences"]:
            lines.append(f"  {judged['sentence']}  [{judged['verdict']}: {judged['reason']}]")
    return lines
