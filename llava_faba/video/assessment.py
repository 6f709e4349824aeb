"""Clip -> what is said about it: the record that `llava-faba assess` writes and the demo shows."""

from typing import Any

from llava_faba.video.clips import Clip
from llava_faba.video.motion import Motion


def motion_record(clip: Clip, motion: Motion) -> dict[str, Any]:
    """Return a clip's record without a model's part: severity, interval, report, evidence and model are None."""
    return {
        "clip": str(clip.path),
        "frames": clip.frames,
        "fps": round(clip.fps, 4),
        "valid_share": round(clip.valid_share, 4),
        "region_valid_share": {region: round(share, 4) for region, share in clip.region_valid_share.items()},
        "motion": motion.values,
        "severity": None,
        "interval": None,
        "report": None,
        "evidence": None,
        "model": None,
        "warnings": clip.warnings,
    }
