"""The Compare tab: two models, or one with and without its facial prior, asked the same about the chosen face."""

from collections.abc import Callable, Generator, Iterator
from itertools import zip_longest
from typing import Any

import gradio as gr

from llava_faba.data.prompts import QUESTIONS
from llava_faba.demo.guard import MAX_QUESTION, checked_question, readable
from llava_faba.demo.photo_faces import SeenFace, draw_face, labels_html, labels_of
from llava_faba.demo.service import AT_ONCE, Service
from llava_faba.demo.visit import Visit
from llava_faba.faces import Turn

WAIT_SECONDS = 60  # for a model that is still being loaded


def add_compare_tab(tab: gr.Tab, service: Service, other: Service | None, visit: gr.State) -> None:
    """Lay the tab out; without `other` the model is compared with itself, its prior left out."""
    names = (service.name, other.name) if other else ("With the facial prior", "Without it")
    gr.Markdown(
        "The same question about the face chosen under **Photo**, "
        + ("to both models." if other else "with the facial prior and with the learned empty prior in its place.")
    )
    face = gr.Image(
        label="The face chosen under Photo",
        interactive=False,
        height=200,
        buttons=[],
        elem_id="both-face",
        alt_text="The face that both are asked about",
    )
    with gr.Row():
        question = gr.Textbox(
            QUESTIONS["emotion"], label="Question to both", max_length=MAX_QUESTION, scale=4, elem_id="both-question"
        )
        ask = gr.Button("Ask both", variant="primary", scale=1, min_width=120, elem_id="ask-both")
    sides = []
    with gr.Row():
        for number, name in enumerate(names):
            with gr.Column(min_width=300):
                text = gr.Textbox(label=name, lines=6, interactive=False, elem_id=f"side-{number}")
                sides += [text, gr.HTML(elem_id=f"side-labels-{number}")]

    def asked(now: Visit, text: str) -> Generator[list[Any], None, None]:
        text = checked_question(text)
        if not now.faces:
            raise gr.Error("There is no face yet. Choose a photo under Photo first.", print_exception=False)
        streams = _streams(service, other)
        answers = ["", ""]
        for parts in zip_longest(*(stream(now.face, text) for stream in streams)):
            answers = [part if part is not None else last for part, last in zip(parts, answers, strict=True)]
            yield [answers[0], gr.skip(), answers[1], gr.skip()]
        labels = [labels_html(labels_of([Turn(text, answer)]), {}) for answer in answers]
        yield [answers[0], labels[0], answers[1], labels[1]]

    tab.select(
        lambda now: draw_face(now.face) if now.faces else None,
        visit,
        face,
        queue=False,
        api_visibility="private",
        show_progress="hidden",
    )
    for trigger in (ask.click, question.submit):
        trigger(
            readable(asked),
            [visit, question],
            sides,
            concurrency_id="model",
            concurrency_limit=AT_ONCE,
            api_visibility="private",
            show_progress="hidden",
        )


def _streams(service: Service, other: Service | None) -> list[Callable[[SeenFace, str], Iterator[str]]]:
    service.describer(WAIT_SECONDS)
    if other:
        other.describer(WAIT_SECONDS)
        return [service.answer, other.answer]
    if not service.can_leave_out_prior():
        raise gr.Error(
            "This model cannot answer without its prior: it has none, or learned no empty one "
            "(--facial_prior_dropout). Start the page with --compare-with to compare two models.",
            print_exception=False,
        )
    return [service.answer, lambda face, text: service.answer(face, text, (), False)]
