"""Photo file -> RGB pixels: read a picture that nobody vouches for.

What goes in may be too large, cut short, mislabelled or made to do harm; what comes out is upright RGB with 8 bits a
channel, as a viewer would show it, or one `BadImage` that names the file. The limits follow Pillow's security handbook
(https://pillow.readthedocs.io/en/stable/handbook/security.html): a cap on bytes before reading, a cap on pixels before
decoding, and a short list of formats, so that Ghostscript and the rarer decoders are never reached.
"""

import io
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from llava_faba.errors import InputError
from llava_faba.files import existing_file

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 40_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")  # what these formats' files are usually called

UPRIGHT = {  # EXIF orientation -> how to turn the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadImage(InputError):
    """A picture file cannot be used."""


def read_image(path: Path | str) -> Image.Image:
    """Read a picture file as upright RGB: the first frame of an animation, transparency on white, 16 bits cut to 8.

    Raises MissingFileError, or BadImage for everything that is wrong with the file's content.
    """
    path = existing_file(path, "picture")
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadImage(
            f"The picture {path} cannot be opened: {error.strerror}.",
            "It must be a file that this user may read.",
            "Change its permissions, or leave it out.",
        ) from error
    return decode_image(data, str(path))


def read_pixels(path: Path | str) -> np.ndarray:
    """Read a picture file as RGB pixels, uint8 of shape (height, width, 3); errors as `read_image`."""
    return np.array(read_image(path))


def decode_image(data: bytes, name: str) -> Image.Image:
    """Decode the bytes of a picture file; `name` stands for it in errors; see `read_image`."""
    if len(data) > MAX_BYTES:
        raise BadImage(
            f"The picture {name} is larger than {MAX_BYTES // 2**20} MB.",
            f"Pictures have at most {MAX_BYTES // 2**20} MB and {MAX_PIXELS // 10**6} megapixels.",
            "Save it smaller.",
        )
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
        image.load()
        return upright_rgb(image)
    except Image.DecompressionBombError as error:
        raise BadImage(
            f"The picture {name} has too many pixels ({error}).",
            f"Pictures have at most {MAX_BYTES // 2**20} MB and {MAX_PIXELS // 10**6} megapixels.",
            "Save it smaller.",
        ) from error
    except UnidentifiedImageError as error:
        raise _undecodable(name, "its content is of no such format") from error
    except Exception as error:  # a decoder fed with damaged bytes raises almost anything; the file is at fault
        raise _undecodable(name, str(error) or type(error).__name__) from error


def _undecodable(name: str, reason: str) -> BadImage:
    return BadImage(
        f"The picture {name} cannot be decoded: {reason}.",
        f"It must be a whole {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file, whatever its name ends in.",
        "Export it again, or leave it out.",
    )


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return an opened picture as upright RGB: turned by EXIF, transparency on white, 16 bits cut to 8."""
    orientation = _orientation(image)
    if image.mode.startswith("I"):  # 16 bits of grey; Pillow's own conversion clips instead of scaling
        grey = np.asarray(image).astype(np.int64)
        image = Image.fromarray((grey >> 8 if grey.max() > 255 else grey).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    image = image.convert("RGB")
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged metadata: the pixels are whole, so they are used as they stand
        return 1
