"""Clips without a model: the motion of a face is measured, and told in sentences that are held against it."""

from collections.abc import Generator, Iterator
from typing import Any

from llava_faba.demo.clip_service import ClipService, Progress, ReadClip, read_upload
from llava_faba.evidence.drafts import draft_report
from llava_faba.evidence.motion import check_report
from llava_faba.motion.record import motion_record
from llava_faba.vocabulary import EXPRESSIONS


class MotionService(ClipService):
    """What the Clip tab shows where no model for clips was given."""

    has_model = False

    def __init__(self) -> None:
        super().__init__(lambda: self, "measured motion", EXPRESSIONS)  # type: ignore[arg-type, return-value]

    def read(self, upload: Any, name: str | None = None) -> Generator[Progress, None, ReadClip]:
        """Read an uploaded clip and delete its file; see `read_upload`."""
        return read_upload(upload, lambda clip: {}, name)

    def assess(self, read: ReadClip, expression: str) -> Iterator[dict[str, Any]]:
        """Yield the record of `llava-faba assess --report-only-motion`, with a drafted report and what supports it."""
        self.checked_expression(expression)
        report = draft_report(read.motion.values)
        judged = check_report(report, read.motion.values)
        yield {**motion_record(read.clip, read.motion), "report": report, "evidence": judged}
