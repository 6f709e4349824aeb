"""A running page with the tiny model, one for each test module; the demo is tested where Gradio 6 can be installed."""

import numpy as np
import pytest
from PIL import Image

TOKENS = 12


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The tiny model, loaded as the page loads it."""
    pytest.importorskip("gradio", reason="the demo needs Gradio 6, which LLaVA's own pins exclude (legacy leg)")
    from llava_faba.demo.service import Service
    from llava_faba.demo.tiny import tiny_describer

    folder = tmp_path_factory.mktemp("tiny-demo")
    return Service(lambda: tiny_describer(folder), "tiny", is_tiny=True, max_new_tokens=TOKENS)


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
