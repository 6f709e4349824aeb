"""Start the page: limits, queue and credentials set, the model loading behind it."""

import logging
import threading
import warnings
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from llava_faba.demo import guard
from llava_faba.demo.page import build_page
from llava_faba.demo.service import Service
from llava_faba.demo.style import CSS
from llava_faba.images import MAX_BYTES, MAX_PIXELS

if TYPE_CHECKING:  # it brings scipy, which a page without clips does without
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
    """Serve the page of a model; return it with its address. With `block` this ends when the process is interrupted."""
    folder = guard.keep_files_apart()
    guard.keep_uploads_apart()
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    logging.getLogger("httpx").setLevel(logging.WARNING)
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
    for one in (service, other, clips):
        if one is not None:
            one.start(background)
    threading.Thread(target=_sweep, args=(folder, page, service, other), name="sweep", daemon=True).start()
    if block:
        guard.end_cleanly()
        page.block_thread()
    return page, address


def _largest_file(clips: "ClipService | None") -> int:
    """How many bytes may be uploaded at once."""
    if clips is None:
        return MAX_BYTES
    from llava_faba.demo.clip_reading import MAX_CLIP_BYTES

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
