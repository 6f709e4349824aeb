"""Assess a clip of a face: severity with its interval, the report, and the measured motion behind them.

CLIP is a video file or a folder of frames. The motion of mouth corners, brows, lids, lips and jaw is measured on the
landmarks, in inter-ocular distances and seconds: up, down, out and in from the rest, a side each, how fast and when.
Only valid frames count: a covered mouth, a turned head and, for brows, a blink are gaps, not numbers. Left and right
are as seen in the picture. --report-only-motion needs no model, and no torch. Severity is 0..4 as MDS-UPDRS rates
facial expression; it is refused where the region that it is about was not seen. Nothing here is a diagnosis.

The JSON is {"clip": "smile.mp4", "frames": 98, "fps": 23.98, "valid_share": 1.0, "region_valid_share": {"mouth": 1.0,
"brows": 0.96, "eyes": 1.0}, "motion": {"mouth_corner_left_up": {"value": 0.21, "unit": "inter-ocular distances"}, ...},
"uncertainty": {"mouth_corner_left_up": 0.002, ...}, "reasons": {"brow_left_onset_time": "nothing moves", ...},
"severity": 1.3, "interval": {"low", "high", "level", "method"}, "report": "...", "evidence": {"sentences", "rate"},
"model": {...}, "warnings": [...]}. `uncertainty` holds standard errors from the jitter of the landmarks, `reasons` why
a value is null. Without a model severity, interval, report, evidence and model are null.

examples:
  llava-faba assess clip.mp4 --model-path runs/feqa --model-base models/llava-v1.5-7b --expression smile --json
  llava-faba assess clip.mp4 --report-only-motion --plot motion.png --video measured.mp4 --csv motion.csv
  llava-faba assess clip.mp4 --report-only-motion --apex apexes/
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
    parser.add_argument("--video", type=Path, metavar="OUT.mp4", help="the clip with landmarks and a moving plot on it")
    parser.add_argument("--csv", type=Path, metavar="OUT.csv", help="the motion of every frame, a row each")
    parser.add_argument(
        "--apex",
        type=Path,
        metavar="DIR",
        help="the face at the height of each movement, pictures for `describe --input`",
    )


def run(args: argparse.Namespace) -> int:
    from llava_faba.commands.devices import choose_device
    from llava_faba.commands.output import emit, emit_json, say_written
    from llava_faba.errors import InputError
    from llava_faba.motion.clips import read_clip
    from llava_faba.motion.measures import measure_motion
    from llava_faba.motion.record import motion_record, motion_table

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
        from llava_faba.video.assessment import Assessor

        choose_device(args)
        place = {"device": args.device, "dtype": args.dtype}
        revisions = {"revision": args.revision, "base_revision": args.base_revision}
        assessor = Assessor.from_pretrained(args.model_path, args.model_base, **place, **revisions)
        record = assessor.assess(clip, motion, args.expression, max_new_tokens=args.max_new_tokens)
    if args.plot:
        from llava_faba.motion.plot import draw_motion

        emit(draw_motion(clip, motion), args.plot)
    if args.csv:
        emit(motion_table(clip, motion), args.csv)
    if args.apex:
        from llava_faba.motion.apex import save_apexes

        for file in save_apexes(clip, motion, args.apex):
            say_written(file)
        print(f"next: llava-faba describe --input {args.apex} --csv {args.apex / 'faces.csv'}", file=sys.stderr)
    if args.video:
        from llava_faba.motion.overlay import write_overlay

        say_written(write_overlay(clip, motion, args.video))
    if args.json != "-":
        print("\n".join(table(record)))
    if args.json:
        emit_json(record, args.json)
    return 0


def table(record: dict[str, Any]) -> list[str]:
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
        error = record["uncertainty"].get(name)
        around = f" ± {error:<8.2g}" if error is not None else " " * 11
        why = f": {record['reasons'][name]}" if name in record["reasons"] else ""
        lines.append(f"{name:<{width}} {value}{around} {measured['unit']}{why}")
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
