"""What was measured in a clip -> the record of `llava-faba assess`, without a model's part, and a table of frames."""

import csv
import io
from typing import Any

import numpy as np

from llava_faba.motion.clips import Clip
from llava_faba.motion.measures import Motion

# PFED5's expressions -> the regions that they are seen in; others are judged by the whole face.
REGIONS_OF = {"smile": ("mouth",), "frown": ("brows",), "squeeze_eyes": ("eyes",), "clench_teeth": ("mouth",)}
LEAST_SEEN = 0.25  # share of the frames in which a region must be seen for a severity that is about it


def motion_record(clip: Clip, motion: Motion | None) -> dict[str, Any]:
    """Return a clip's record without a model's part: severity, interval, report, evidence and model are None.

    `motion` is None where nothing was measured: a trajectory that was read from a file has other landmarks.
    `uncertainty` and `reasons` have the names of `motion`: standard errors, and why a value is None.
    """
    return {
        "clip": str(clip.path),
        "frames": clip.frames,
        "fps": round(clip.fps, 4),
        "valid_share": round(clip.valid_share, 4),
        "region_valid_share": {region: round(share, 4) for region, share in clip.region_valid_share.items()},
        "motion": {} if motion is None else motion.values,
        "uncertainty": {} if motion is None else motion.uncertainty,
        "reasons": {} if motion is None else motion.reasons,
        "severity": None,
        "interval": None,
        "report": None,
        "evidence": None,
        "model": None,
        "warnings": clip.warnings,
    }


def why_no_severity(clip: Clip, expression: str) -> str | None:
    """Return why no severity of an expression can be given for a clip: its region was not seen; None where it was."""
    shares = clip.region_valid_share
    for region in REGIONS_OF.get(expression, ()):
        if shares.get(region, 1.0) < LEAST_SEEN:
            seen = f"the {region} {'was' if region == 'mouth' else 'were'} seen in {100 * shares[region]:.0f} %"
            return f"no severity of {expression.replace('_', ' ')} is given: {seen} of the frames"
    return None


def motion_table(clip: Clip, motion: Motion) -> str:
    """Return the motion of every frame as CSV: frame, time, what was seen, pose and signals; empty where not valid."""
    names = sorted(motion.signals)
    regions = sorted(clip.region_valid)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["frame", "time", "face", *regions, "pitch", "yaw", "roll", *names])
    columns = [motion.pose[:, axis] for axis in range(3)] + [motion.signals[name] for name in names]
    for index in range(clip.frames):
        seen = [int(clip.valid[index]), *(int(clip.region_valid[region][index]) for region in regions)]
        numbers = [f"{column[index]:.5f}" if np.isfinite(column[index]) else "" for column in columns]
        writer.writerow([index, f"{clip.times[index]:.6f}", *seen, *numbers])
    return text.getvalue()
