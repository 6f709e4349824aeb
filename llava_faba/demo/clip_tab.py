"""The Clip tab: a clip is read and forgotten, its motion shown, and a severity with a report asked of the model."""

import io
from collections.abc import Generator
from typing import Any

import gradio as gr
from PIL import Image

from llava_faba.demo import texts
from llava_faba.demo.clip_report import (
    EMPTY,
    alt_text,
    motion_html,
    progress_html,
    read_html,
    report_html,
    severity_html,
    warnings_html,
)
from llava_faba.demo.clip_service import CLIPS_AT_ONCE, LIMITS, ClipService, ClipVisit
from llava_faba.demo.guard import KEPT_SECONDS, delete_upload, leave_clips_as_they_are, readable
from llava_faba.demo.service import AT_ONCE

WAITING = "<progress max='1' aria-label='Reading the clip'></progress><p>Waiting: one clip after the other is read.</p>"
UNREAD = f"<p>No clip was read.</p><p class='faba-note'>{LIMITS}</p>"


def add_clip_tab(clips: ClipService) -> None:
    """Lay the tab out and bind what its buttons do."""
    leave_clips_as_they_are()
    button = "Assess" if clips.has_model else "Tell the motion"
    empty_severity = EMPTY.format(button=button)
    visit = gr.State(ClipVisit(), time_to_live=KEPT_SECONDS)
    gr.Markdown(texts.CLIP_LEAD if clips.has_model else texts.MOTION_LEAD, elem_id="clip-lead")
    with gr.Row(elem_id="clip-tab"):
        with gr.Column(min_width=300, elem_id="clip-column"):
            video = gr.Video(
                label="Clip",
                sources=["upload", "webcam"],
                webcam_options=gr.WebcamOptions(mirror=False),  # left and right matter
                include_audio=False,
                height=300,
                elem_id="clip",
                buttons=[],
            )
            status = gr.HTML(f"<p class='faba-note'>{LIMITS}</p>", elem_id="clip-status")
            expression = gr.Dropdown(
                [(name.replace("_", " "), name) for name in clips.expressions],
                value=next((name for name in clips.expressions if name == "smile"), clips.expressions[0]),
                label="What the person was asked to do",
                filterable=False,
                visible=clips.has_model,
                elem_id="expression",
            )
            with gr.Row():
                assess = gr.Button(button, variant="primary", interactive=False, min_width=100, elem_id="assess")
                stop = gr.Button("Stop", variant="stop", interactive=False, min_width=80, elem_id="clip-stop")
            warnings = gr.HTML("", elem_id="clip-warnings")
        with gr.Column(min_width=300, scale=2, elem_id="clip-results"):
            severity = gr.HTML(empty_severity, elem_id="severity")
            report = gr.HTML("", elem_id="report")
            record_file = gr.DownloadButton(
                "Download JSON", interactive=False, size="sm", min_width=130, elem_id="clip-json"
            )
            plot = gr.Image(
                label="Motion",
                interactive=False,
                buttons=["fullscreen"],
                elem_id="motion-plot",
                alt_text="No clip was read yet",
            )
            with gr.Accordion(texts.MEASURES_TITLE, open=False, elem_id="measures"):
                table = gr.HTML("", elem_id="motion-table")

    on, off = gr.update(interactive=True), gr.update(interactive=False)
    after_reading = [visit, video, status, warnings, plot, table, severity, report, record_file, assess, stop]
    after_words = [severity, report, record_file, assess, stop]

    def read(upload: Any) -> Generator[list[Any], None, None]:
        if not upload:  # emptied by ourselves, below
            yield [gr.skip()] * len(after_reading)
            return
        nothing = [None, "", empty_severity, "", gr.update(value=None, interactive=False), off]
        yield [ClipVisit(), gr.skip(), WAITING, "", *nothing, on]
        steps = clips.read(upload)
        now = ClipVisit()
        while now.read is None:
            try:
                told = progress_html(next(steps))
                yield [gr.skip(), gr.skip(), told, *[gr.skip()] * (len(after_reading) - 3)]
            except StopIteration as done:
                now.read = done.value
        known = now.read
        picture = gr.update(value=Image.open(io.BytesIO(known.plot)).convert("RGB"), alt_text=alt_text(known))
        said = [read_html(known), warnings_html(known.clip.warnings), picture, motion_html(known.motion)]
        yield [now, None, *said, empty_severity, "", gr.skip(), on, off]

    def waiting(upload: Any) -> list[Any]:
        return [WAITING, on] if upload else [gr.skip(), gr.skip()]

    def ended(now: ClipVisit, upload: Any) -> list[Any]:
        """After a failure or a stop: what was read and said so far stays; what was not read to its end is gone."""
        delete_upload(upload)
        if now.read is not None:
            return [gr.skip(), None, read_html(now.read), *[gr.skip()] * (len(after_reading) - 5), on, off]
        nothing = [None, "", empty_severity, "", gr.update(value=None, interactive=False)]
        return [ClipVisit(), None, UNREAD, "", *nothing, off, off]

    def assessed(now: ClipVisit, wanted: str) -> Generator[list[Any], None, None]:
        if now.read is None:
            raise gr.Error("There is no clip yet. Choose one first.", print_exception=False)
        empty = gr.update(value=None, interactive=False)
        yield ["<p class='faba-note'>Looking at the clip.</p>", "", empty, off, on]
        record: dict[str, Any] = {}
        for record in clips.assess(now.read, wanted):
            yield [severity_html(record), report_html(record), empty, off, on]
        yield [gr.skip(), gr.skip(), gr.update(value=now.save(record), interactive=True), on, off]

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    asking = assess.click(
        readable(assessed), [visit, expression], after_words, concurrency_id="model", concurrency_limit=AT_ONCE, **quiet
    )
    chosen = video.change(waiting, video, [status, stop], cancels=[asking], queue=False, **quiet)
    reading = chosen.then(
        readable(read), [video], after_reading, concurrency_id="clips", concurrency_limit=CLIPS_AT_ONCE, **quiet
    )
    for run in (asking, reading):
        run.failure(readable(ended), [visit, video], after_reading, queue=False, **quiet)
    stop.click(readable(ended), [visit, video], after_reading, cancels=[asking, reading], queue=False, **quiet)
