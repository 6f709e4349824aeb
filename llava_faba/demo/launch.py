"""Start the page: limits, queue and credentials set, the model loading behind it."""

import logging
import sys
import threading
import warnings
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from llava_faba.demo import guard, texts
from llava_faba.demo.compare_tab import add_compare_tab
from llava_faba.demo.endpoints import add_endpoints
from llava_faba.demo.guard import KEPT_SECONDS, SWEEP_SECONDS, refuse_addresses
from llava_faba.demo.photo_tab import add_photo_tab
from llava_faba.demo.service import Service
from llava_faba.demo.style import CSS
from llava_faba.demo.visit import Visit
from llava_faba.face.images import MAX_BYTES, MAX_PIXELS
from llava_faba.processes import share_memory
from llava_faba.starter.folder import CARD, NAME
from llava_faba.train.card import LIMITS

if TYPE_CHECKING:
    from llava_faba.demo.clip_service import ClipService

QUEUE = 32  # requests that wait; further ones are told that the page is busy
FONTS = ["system-ui", "sans-serif"]
SESSIONS = 200  # visitors whose faces are remembered


def launch(
    service: Service,
    other: Service | None = None,
    clips: "ClipService | None" = None,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    queue: int = QUEUE,
    background: bool = True,
    block: bool = True,
) -> tuple[gr.Blocks, str]:
    """Serve the page of a model; return it with its address. With `block` this ends when the process is interrupted.

    The page is up before the models are loaded, except on ZeroGPU, where they are loaded first and on this thread.
    """
    guard.require_known_gradio()
    share_memory()
    folder = guard.keep_files_apart()
    guard.keep_uploads_apart()
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    models = [model for model in (service, other, clips) if model is not None]
    on_zero = (
        "spaces" in sys.modules
    )  # ZeroGPU stands in for CUDA on the thread that imported `spaces`, and before launch
    if on_zero:
        for model in models:
            model.start(background=False)
    page = build_page(service, other, clips)
    page.queue(max_size=queue, default_concurrency_limit=4)
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        show_error=False,  # else an error's text would name paths of this server
        max_file_size=_largest_file(clips),
        blocked_paths=[],
        auth=guard.credentials(),
        state_session_capacity=SESSIONS,
        footer_links=["api"],
        ssr_mode=False,
        share=False,
        enable_monitoring=False,
        mcp_server=False,
        css=CSS,
        theme=gr.themes.Soft(font=FONTS, font_mono=["ui-monospace", "monospace"]),  # of the visitor's own system
    )
    print(f"the page is at {address} (stop it with Ctrl+C)", flush=True)
    if not on_zero:
        for model in models:
            model.start(background)
    threading.Thread(target=_sweep, args=(folder, page, service, other), name="sweep", daemon=True).start()
    if block:
        guard.end_cleanly()
        page.block_thread()
    return page, address


def _largest_file(clips: "ClipService | None") -> int:
    """How many bytes may be uploaded at once."""
    if clips is None:
        return MAX_BYTES
    from llava_faba.demo.clip_service import MAX_CLIP_BYTES

    return MAX_CLIP_BYTES


def _sweep(folder: Any, page: gr.Blocks, *services: Service | None) -> None:
    """Delete old files and forget old faces for as long as the uploads' folder is there."""
    waiting = threading.Event()
    while folder.exists():
        guard.sweep()
        guard.forget_deleted(page)
        for service in services:
            if service is not None:
                service.forget()
        waiting.wait(guard.SWEEP_SECONDS)


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
            gr.Markdown(LIMITS)
        visit = gr.State(Visit(), time_to_live=KEPT_SECONDS)
        with gr.Tabs():
            with gr.Tab("Photo", id="photo"):
                add_photo_tab(service, visit)
            with gr.Tab("Compare", id="compare") as compare:
                add_compare_tab(compare, service, other, visit)
            if clips is not None:
                from llava_faba.demo.clip_tab import add_clip_tab

                with gr.Tab("Clip", id="clip"):
                    add_clip_tab(clips)
        if service.name == NAME:
            with gr.Accordion(texts.CARD_TITLE, open=False, elem_id="card"):
                gr.Markdown(CARD.read_text())
        add_endpoints(service)
        if clips is not None:
            from llava_faba.demo.endpoints import add_clip_endpoint

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
    if clips is not None and clips.has_model:
        said += f"<p data-clips='{clips.state}'>{texts.CLIP_STATES[clips.state].format(name=_named(clips))}</p>"
    note = f"<p class='faba-note'>{service.note}</p>" if service.note else ""
    return f"<div role='status' data-state='{service.state}'>{said}{note}</div>"


def _named(model: "Service | ClipService") -> str:
    return f"<b>{escape(model.name)}</b>"
