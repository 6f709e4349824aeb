"""The Photo tab: a photo and its faces, what the model saw of the chosen one, and the conversation about it."""

import base64
import io
from collections.abc import Generator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from llava_faba.data.prompts import QUESTIONS
from llava_faba.demo import texts
from llava_faba.demo.guard import MAX_QUESTION, MAX_TURNS, checked_question, open_upload, readable
from llava_faba.demo.judged import evidence_html, without_marks
from llava_faba.demo.photo_faces import draw_face, labels_html, labels_of, see_faces, warnings_of
from llava_faba.demo.service import AT_ONCE, Service
from llava_faba.demo.visit import Visit
from llava_faba.face.images import read_image
from llava_faba.faces import Turn

EXAMPLE = Path(__file__).parent / "examples" / "astronaut.jpg"


def add_photo_tab(service: Service, visit: gr.State) -> None:
    """Lay the tab out and bind what its buttons do; `visit` holds what the visitor has before them."""
    with gr.Row(elem_id="photo-tab"):
        with gr.Column(min_width=300, elem_id="photo-column"):
            photo = gr.Image(
                label="Photo",
                sources=["upload", "webcam", "clipboard"],
                type="filepath",
                webcam_options=gr.WebcamOptions(mirror=False),  # left and right matter for action units
                height=300,
                elem_id="photo",
                alt_text="The photo that you chose",
                buttons=[],
            )
            photo.preprocess = lambda payload: payload  # opened by open_upload, within the limits
            faces_title = gr.HTML("", elem_id="faces-title")
            faces = gr.Gallery(
                label="Faces of the photo",
                show_label=False,
                columns=4,
                height=110,
                allow_preview=False,
                object_fit="cover",
                buttons=[],
                visible=False,
                elem_id="faces",
            )
            example = gr.Button("Try the example picture", size="sm", elem_id="example")
            gr.HTML(f"<p class='faba-note faba-example'>{_thumbnail(EXAMPLE)}<span>{texts.EXAMPLE_CREDIT}</span></p>")
        with gr.Column(min_width=300, elem_id="face-column"):
            crop = gr.Image(
                label="What the model sees",
                interactive=False,
                height=336,
                buttons=["fullscreen"],
                elem_id="crop",
                alt_text="The chosen face, cut out and turned upright, with its landmarks",
            )
            with gr.Row():
                landmarks = gr.Checkbox(True, label="Landmarks", min_width=120, elem_id="landmarks")
                regions = gr.Checkbox(True, label="AU regions", min_width=120, elem_id="regions")
            warnings = gr.HTML("", elem_id="warnings")
            labels = gr.HTML(labels_html({}, {}), elem_id="labels")
            evidence = gr.HTML("", elem_id="evidence")
            with gr.Row():
                record_file = gr.DownloadButton(
                    "Download JSON", interactive=False, size="sm", min_width=130, elem_id="json"
                )
                picture_file = gr.DownloadButton(
                    "Download picture", interactive=False, size="sm", min_width=130, elem_id="picture"
                )
        with gr.Column(min_width=300, scale=2, elem_id="chat-column"):
            chat = gr.Chatbot(
                label="Conversation about this face",
                show_label=False,  # it would lie over the first message
                height=430,
                buttons=["copy"],
                render_markdown=False,  # a model's text is text: no links, pictures or tags come out of it
                allow_tags=False,
                layout="bubble",
                feedback_options=None,
                placeholder="Choose a photo, then ask.",
                elem_id="chat",
            )
            with gr.Row(elem_id="ready"):
                ready = [
                    gr.Button(text, size="sm", min_width=120, elem_id=f"ask-{number}", interactive=False)
                    for number, (text, _, _) in enumerate(texts.READY_QUESTIONS)
                ]
            with gr.Row():
                question = gr.Textbox(
                    label="Your question",
                    placeholder="Ask about this face, then press Enter",
                    max_length=MAX_QUESTION,
                    scale=4,
                    min_width=180,
                    elem_id="question",
                )
                with gr.Column(scale=1, min_width=100):
                    send = gr.Button("Ask", variant="primary", interactive=False, min_width=80, elem_id="send")
                    stop = gr.Button("Stop", variant="stop", interactive=False, min_width=80, elem_id="stop")

    after_choice = [visit, crop, warnings, labels, evidence, chat, record_file, picture_file, send, *ready]
    after_answer = [chat, labels, evidence, crop, record_file, picture_file, send, stop, *ready]

    def choice(now: Visit, show_landmarks: bool) -> list[Any]:
        able = gr.update(interactive=bool(now.faces))
        off = gr.update(value=None, interactive=False)
        if not now.faces:
            return [now, None, "", labels_html({}, {}), "", [], off, off, able, *[able] * len(ready)]
        said = "".join(f"<li>{escape(text)}</li>" for text in warnings_of(now.face))
        return [
            now,
            draw_face(now.face, show_landmarks),
            f"<ul class='faba-warning' role='alert'>{said}</ul>" if said else "",
            labels_html({}, {}),
            "",
            [],
            off,
            off,
            able,
            *[able] * len(ready),
        ]

    def found(upload: Any, show_landmarks: bool) -> list[Any]:
        now = Visit(see_faces(open_upload(upload))) if upload else Visit()
        captions = [(face.crop, f"Face {number}") for number, face in enumerate(now.faces, 1)]
        title = f"{len(captions)} faces found: choose one" if len(captions) > 1 else "1 face found"
        if now.faces and now.face.landmarks_px is None:
            title = "No face found: the whole picture is used"
        gallery = gr.update(value=captions, visible=bool(captions), selected_index=0 if captions else None)
        return [f"<h3 role='status'>{title}</h3>" if captions else "", gallery, *choice(now, show_landmarks)]

    def chosen(now: Visit, show_landmarks: bool, event: gr.SelectData) -> list[Any]:
        if now.faces and isinstance(event.index, int) and 0 <= event.index < len(now.faces):
            now.choose(event.index)
        return choice(now, show_landmarks)

    def drawn(now: Visit, show_landmarks: bool, show_regions: bool) -> Any:
        if not now.faces:
            return None
        return draw_face(now.face, show_landmarks, labels_of(now.turns)["aus"] if show_regions else None)

    def shown(now: Visit, done: bool, show_landmarks: bool, show_regions: bool) -> list[Any]:
        """What stands on the page while (`done` False) and after an answer."""
        messages = [
            {"role": role, "content": text}
            for turn in now.turns
            for role, text in (("user", turn.question), ("assistant", without_marks(turn.answer) or "..."))
        ]
        if not done:
            busy = gr.update(interactive=False)
            return [messages, *[gr.skip()] * 5, busy, gr.update(interactive=True), *[busy] * len(ready)]
        record, picture = now.save(service, show_landmarks, show_regions)
        able = gr.update(interactive=True)
        return [
            messages,
            labels_html(labels_of(now.turns), now.chances),
            evidence_html(now.turns[-1].answer, now.face) if now.turns else "",
            drawn(now, show_landmarks, show_regions),
            gr.update(value=record, interactive=True),
            gr.update(value=picture, interactive=True),
            able,
            gr.update(interactive=False),
            *[able] * len(ready),
        ]

    def asked(
        now: Visit, text: str, task: str | None, show_landmarks: bool, show_regions: bool
    ) -> Generator[list[Any], None, None]:
        text, toggles = checked_question(text), (show_landmarks, show_regions)
        if not now.faces:
            raise gr.Error("There is no face yet. Choose a photo first.", print_exception=False)
        earlier = now.turns[-MAX_TURNS:]
        turns = now.turns = [*now.turns, Turn(text, "")]
        yield shown(now, False, *toggles)
        service.describer(timeout=60)
        for answer in service.answer(now.face, text, earlier):
            if now.turns is not turns:  # it was stopped, or another face was chosen
                return
            turns[-1] = Turn(text, answer)
            yield shown(now, False, *toggles)
        if task:
            now.chances[task] = service.probabilities(now.face, task, turns[-1])
        yield shown(now, True, *toggles)

    def stopped(now: Visit, show_landmarks: bool, show_regions: bool) -> list[Any]:
        if not now.faces or not now.turns:
            return [gr.skip()] * len(after_answer)
        now.turns = list(now.turns)  # an answer that is still being written sees this, and ends
        return shown(now, True, show_landmarks, show_regions)

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    writing = {"concurrency_id": "model", "concurrency_limit": AT_ONCE, **quiet}
    toggles = [landmarks, regions]
    runs = []
    for button, (_, task, text) in zip(ready, texts.READY_QUESTIONS, strict=True):

        def press(
            now: Visit, show_landmarks: bool, show_regions: bool, task: str | None = task, text: str | None = text
        ) -> Generator[list[Any], None, None]:
            yield from asked(now, text or QUESTIONS[str(task)], task, show_landmarks, show_regions)

        runs.append(button.click(readable(press), [visit, *toggles], after_answer, **writing))

    def typed(now: Visit, text: str, show_landmarks: bool, show_regions: bool) -> Generator[list[Any], None, None]:
        for update in asked(now, text, None, show_landmarks, show_regions):
            yield ["", *update]

    for trigger in (send.click, question.submit):
        runs.append(trigger(readable(typed), [visit, question, *toggles], [question, *after_answer], **writing))
    for run in runs:  # an answer that failed leaves the page as usable as one that was stopped
        run.failure(readable(stopped), [visit, *toggles], after_answer, queue=False, **quiet)
    stop.click(readable(stopped), [visit, *toggles], after_answer, cancels=runs, queue=False, **quiet)
    example.click(lambda: read_image(EXAMPLE), outputs=photo, queue=False, **quiet)
    photo.change(
        readable(found),
        [photo, landmarks],
        [faces_title, faces, *after_choice],
        cancels=runs,
        concurrency_id="faces",
        concurrency_limit=AT_ONCE,
        api_visibility="private",
        show_progress_on=crop,
    )
    faces.select(readable(chosen), [visit, landmarks], after_choice, cancels=runs, queue=False, **quiet)

    def cleared(now: Visit, show_landmarks: bool) -> list[Any]:
        if now.faces:
            now.choose(now.chosen)
        return choice(now, show_landmarks)

    chat.clear(readable(cleared), [visit, landmarks], after_choice, cancels=runs, queue=False, **quiet)
    for toggle in toggles:
        toggle.change(readable(drawn), [visit, *toggles], crop, queue=False, **quiet)


def _thumbnail(path: Path) -> str:
    """A small picture within the page itself: a file of its own would be deleted with those of visitors."""
    picture, data = read_image(path), io.BytesIO()
    picture.thumbnail((96, 96))
    picture.save(data, "JPEG")
    encoded = base64.b64encode(data.getvalue()).decode()
    return f"<img alt='The example picture' width='48' src='data:image/jpeg;base64,{encoded}'>"
