"""Any picture file becomes upright RGB, or one error that names it."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from llava_faba.errors import MissingFileError
from llava_faba.face.images import MAX_PIXELS, BadImage, decode_image, read_image, read_pixels

GRADIENT = np.linspace(0, 255, 40 * 30 * 3).reshape(40, 30, 3).astype(np.uint8)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_of_claimed_size(width, height):
    """A small PNG whose rows compress to almost nothing: as many pixels as its header says, all black."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + (width + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_rgb_passes_through_unchanged(tmp_path):
    Image.fromarray(GRADIENT).save(tmp_path / "face.png")
    assert np.array_equal(read_pixels(tmp_path / "face.png"), GRADIENT)
    assert read_image(tmp_path / "face.png").mode == "RGB"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright_as_pillow_does(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(GRADIENT), "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(np.asarray(decode_image(data, "turned")), expected)


def test_sixteen_bits_of_grey_are_scaled_not_clipped():
    grey = np.linspace(0, 65535, 1200).reshape(40, 30).astype(np.uint16)
    pixels = np.asarray(decode_image(saved(Image.fromarray(grey), "PNG"), "deep"))
    assert np.array_equal(pixels, np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_transparency_is_shown_on_white():
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[0, 0] = (10, 20, 30, 255)
    for mode in ("RGBA", "LA", "P"):
        image = Image.fromarray(pixels).convert(mode)
        seen = np.asarray(decode_image(saved(image, "PNG"), mode))
        assert seen.shape == (4, 4, 3)
        if mode != "P":
            assert (seen[1:] == 255).all() and (seen[0, 0] < 40).all()


def test_cmyk_and_grey_and_palette_and_one_bit_become_rgb():
    for mode, kind in (("CMYK", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("1", "PNG"), ("L", "WEBP"), ("RGB", "BMP")):
        seen = np.asarray(decode_image(saved(Image.fromarray(GRADIENT).convert(mode), kind), mode))
        assert seen.shape == GRADIENT.shape and seen.dtype == np.uint8
        assert abs(seen.mean() - GRADIENT.mean()) < 12


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.array_equal(np.asarray(decode_image(data, "moving.gif"))[0, 0], (255, 0, 0))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(MissingFileError, match=path.name):
            read_image(path)


@pytest.mark.trust
@pytest.mark.parametrize("damage", ["text", "empty", "half", "header"])
def test_a_damaged_file_is_one_error_that_names_it(tmp_path, damage):
    whole = saved(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)), "JPEG")
    content = {"text": b"hello", "empty": b"", "half": whole[: len(whole) // 2], "header": b"\0" * 20 + whole[20:]}
    path = tmp_path / "broken.jpg"
    path.write_bytes(content[damage])
    with pytest.raises(BadImage, match=r"broken\.jpg"):
        read_image(path)


@pytest.mark.trust
@pytest.mark.parametrize("side", [MAX_PIXELS // 6000 + 1, 20_000])
def test_a_small_file_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of_claimed_size(max(side, 6000), side))
    assert path.stat().st_size < 200_000
    start = time.perf_counter()
    with pytest.raises(BadImage, match=r"bomb\.png.*megapixels"):
        read_image(path)
    assert time.perf_counter() - start < 1  # decoding would take several


@pytest.mark.trust
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_mutated_files_are_read_or_refused_and_nothing_else(kind):
    rng = np.random.default_rng(7)
    whole = saved(Image.fromarray(GRADIENT), kind)
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 8)):
            data[rng.integers(len(data))] = rng.integers(256)
        if rng.random() < 0.3:
            data = data[: rng.integers(1, len(data))]
        try:
            assert np.asarray(decode_image(bytes(data), "mutant")).shape[2] == 3
        except BadImage as error:
            assert "mutant" in str(error)
            refused += 1
    assert refused
