"""A sample's picture -> a small JPEG inside of the page."""

import base64
import io
from pathlib import Path

from llava_faba.errors import InputError
from llava_faba.eval.answers import Answer
from llava_faba.face.images import read_image
from llava_faba.files import resolve_inside

SIZE_PX = 192  # shown at 96 CSS pixels


def thumbnail(answer: Answer, image_root: Path | str) -> str | None:
    """Return the picture as a data URI, or None where it cannot be read; paths stay inside the image root."""
    if not answer.image:
        return None
    path = resolve_inside(image_root, answer.image, answer.id)
    try:
        image = read_image(path)
    except InputError:
        return None
    image.thumbnail((SIZE_PX, SIZE_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
