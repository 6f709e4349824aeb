"""One visitor's work on one clip: what was read of it, what the model said, and the file to take home."""

import secrets
from pathlib import Path
from typing import Any

from llava_faba.demo.clip_reading import ReadClip
from llava_faba.demo.guard import uploads_folder
from llava_faba.files import write_json


class ClipVisit:
    """What a visitor has before them under Clip. (No dataclass: Gradio would take it apart.)"""

    def __init__(self) -> None:
        self.read: ReadClip | None = None
        self.token = secrets.token_hex(16)  # its folder's name, which nobody can guess

    def save(self, record: dict[str, Any]) -> str:
        """Write a record, as `llava-faba assess --json` does; return its path."""
        return str(write_json(Path(uploads_folder(), "results", self.token, "clip.json"), record))
