"""The page: a banner, the limits, and a tab for each thing that can be done.

It is built by a function and holds no state of its own: what a visitor has before them is their `Visit`.
"""

from html import escape
from typing import TYPE_CHECKING

import gradio as gr

from llava_faba.demo import texts
from llava_faba.demo.compare_tab import add_compare_tab
from llava_faba.demo.endpoints import add_endpoints
from llava_faba.demo.guard import KEPT_SECONDS, SWEEP_SECONDS, refuse_addresses
from llava_faba.demo.photo_tab import add_photo_tab
from llava_faba.demo.service import Service
from llava_faba.demo.visit import Visit

if TYPE_CHECKING:  # it brings scipy, which a page without clips does without
    from llava_faba.demo.clip_service import ClipService


def build_page(service: Service, other: Service | None = None, clips: "ClipService | None" = None) -> gr.Blocks:
    """Build the page of a model, with a second one to compare it with, and one for clips; nothing is launched."""
    refuse_addresses()
    models = [model for model in (service, clips) if model is not None]
    with gr.Blocks(
        title="llava-faba", analytics_enabled=False, delete_cache=(SWEEP_SECONDS, KEPT_SECONDS), fill_width=True
    ) as page:
        gr.Markdown(f"# {texts.TITLE}\n{texts.LEAD}", elem_id="lead")
        status = gr.HTML(_status(*models), elem_id="status")
        gr.HTML(f"<p role='note'>{texts.CONSENT}</p>", elem_id="consent")
        with gr.Accordion(texts.LIMITS_TITLE, open=False, elem_id="limits"):
            gr.Markdown(texts.LIMITS)
        visit = gr.State(Visit(), time_to_live=KEPT_SECONDS)
        with gr.Tabs():
            with gr.Tab("Photo", id="photo"):
                add_photo_tab(service, visit)
            with gr.Tab("Compare", id="compare"):
                add_compare_tab(service, other, visit)
            if clips is not None:
                from llava_faba.demo.clip_tab import add_clip_tab

                with gr.Tab("Clip", id="clip"):
                    add_clip_tab(clips)
        add_endpoints(service)
        if clips is not None:
            from llava_faba.demo.clip_endpoint import add_clip_endpoint

            add_clip_endpoint(clips)
        clock = gr.Timer(1.0)
        clock.tick(
            lambda: (_status(*models), gr.Timer(active=any(model.state == "loading" for model in models))),
            outputs=[status, clock],
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
    return page


def _status(service: Service, clips: "ClipService | None" = None) -> str:
    prior = ""
    if service.state == "ready":
        prior = f", facial prior {escape(service.prior_name)}" if service.prior_name else ", no facial prior"
    said = f"<p>{texts.STATES[service.state].format(name=_named(service), prior=prior)}</p>"
    if clips is not None:
        said += f"<p data-clips='{clips.state}'>{texts.CLIP_STATES[clips.state].format(name=_named(clips))}</p>"
    tiny = f"<p class='faba-warning'>{texts.TINY}</p>" if service.is_tiny else ""
    return f"<div role='status' data-state='{service.state}'>{said}{tiny}</div>"


def _named(model: "Service | ClipService") -> str:
    return f"<b>{escape(model.name)}</b>"
