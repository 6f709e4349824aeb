"""The page's function for programs that have clips: named, typed, without state between calls."""

from typing import Any

import gradio as gr

from llava_faba.demo.clip_service import CLIPS_AT_ONCE, ClipService
from llava_faba.demo.guard import delete_upload, readable
from llava_faba.errors import InputError


def add_clip_endpoint(clips: ClipService) -> None:
    """Add `/assess` to the page that is being built."""

    def assess(clip: gr.FileData, expression: str) -> dict[str, Any]:
        """Assess a clip: severity 0..4 with its interval, the report judged by the measured motion, that motion.

        The result is the record of `llava-faba assess --json`. The file is deleted once it was read.

        Args:
            clip: a video file (mp4, mov, webm, mkv, avi) of at most 64 MB, 60 s and 1800 frames.
            expression: what the person was asked to do, one of the model's: smile, frown, sit_at_rest, ...
        """
        try:
            wanted = clips.checked_expression(expression)
        except InputError:
            delete_upload(clip)
            raise
        steps = clips.read(clip)
        try:
            while True:
                next(steps)
        except StopIteration as done:
            read = done.value
        *_, record = clips.assess(read, wanted)
        return record

    gr.api(readable(assess), api_name="assess", concurrency_id="clips", concurrency_limit=CLIPS_AT_ONCE)
