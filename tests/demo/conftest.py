"""A running page with the tiny model, one for each test module; the demo is tested where Gradio 6 can be installed."""

from itertools import islice

import numpy as np
import pytest
from PIL import Image

from tests.conftest import shared_path

TOKENS = 12


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The tiny model, loaded as the page loads it."""
    pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")
    from llava_faba.demo.service import Service
    from tests.demo.tiny_model import tiny_describer

    folder = tmp_path_factory.mktemp("tiny-demo")
    return Service(
        lambda: tiny_describer(folder), "tiny", note="A tiny model with random weights.", max_new_tokens=TOKENS
    )


@pytest.fixture(scope="module")
def address(service):
    """Where the page of `service` is."""
    from llava_faba.demo.launch import launch

    page, address = launch(service, block=False)
    yield address
    page.close()


@pytest.fixture(scope="session")
def noise(tmp_path_factory):
    """Pictures that no two are alike: paths by number."""
    folder = tmp_path_factory.mktemp("noise")

    def picture(number: int):
        path = folder / f"{number}.png"
        if not path.exists():
            random = np.random.default_rng(number)
            coarse = Image.fromarray(random.integers(0, 255, (6, 6, 3), dtype=np.uint8))
            coarse.resize((96, 96), Image.Resampling.NEAREST).save(path)
        return path

    return picture


@pytest.fixture(scope="session")
def portraits(tmp_path_factory):
    """Pictures of one face under a grain of their own: paths by number. Where a face is seen, detectors are quick."""
    from tests.motion.clip_files import a_face

    folder = tmp_path_factory.mktemp("portraits")

    def picture(number: int):
        path = folder / f"{number}.png"
        if not path.exists():
            random = np.random.default_rng(number)
            coarse = Image.fromarray(random.integers(-60, 60, (8, 8), dtype=np.int8).astype(np.float32))
            grain = np.asarray(coarse.resize(a_face().shape[1::-1], Image.Resampling.BILINEAR))
            Image.fromarray((a_face() + grain[..., None]).clip(0, 255).astype(np.uint8)).save(path)
        return path

    return picture


@pytest.fixture(scope="session")
def clip_model(tmp_path_factory):
    """The folder of a tiny model that assesses clips and says `clip_model.REPORT`."""
    from llava_faba.model.tiny import make_tiny_llava
    from tests.demo.clip_model import REPORT, make_clip_model
    from tests.tiny import TEXTS

    folder = tmp_path_factory.mktemp("clips")
    base = make_tiny_llava(folder / "llava-tiny", [*TEXTS, *[f"ASSISTANT: {REPORT}"] * 8])
    return make_clip_model(base, folder / "feqa-tiny")


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory):
    """40 frames of a woman who begins to smile."""
    av = pytest.importorskip("av", reason="clips need the extra [video]")
    from tests.motion.clip_files import write_clip

    with av.open(str(shared_path("video", "woman_expressions.mp4"))) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), 225, 265)]
    return write_clip(tmp_path_factory.mktemp("short") / "smile.mp4", frames)


@pytest.fixture(scope="module")
def clips(clip_model):
    """The service of `clip_model`."""
    pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")
    from llava_faba.demo.models import clip_service_of

    return clip_service_of(str(clip_model), device="cpu")


@pytest.fixture(scope="module")
def clip_address(service, clips):
    """Where a page with the Clip tab is."""
    from llava_faba.demo.launch import launch

    page, address = launch(service, clips=clips, block=False)
    yield address
    page.close()
