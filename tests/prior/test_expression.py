"""The prior `expression`: numpy runs what torch trained, a face and its mirror image score alike."""

import importlib.util

import numpy as np
import pytest

from llava_faba.errors import InputError
from llava_faba.face.images import read_pixels
from llava_faba.prior import build_prior
from llava_faba.prior.expression import Expression, face_inputs, mirrored, read_tensors, standardised
from tests.conftest import REPOSITORY, shared_path


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Two fresh networks with moved statistics, as torch modules, and the file of them."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    spec = importlib.util.spec_from_file_location(
        "learn_expression", REPOSITORY / "scripts" / "starter" / "learn_expression.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = []
    for seed in range(2):
        torch.manual_seed(seed)
        network = module.Network(torch.rand(136) - 0.5, torch.rand(136) + 0.5)
        for norm in network.norms:
            norm.running_mean.uniform_(-0.2, 0.2)
            norm.running_var.uniform_(0.5, 2)
        made.append(network.eval())
    file = tmp_path_factory.mktemp("networks") / "expression.safetensors"
    save_file({f"{n}.{name}": t for n, network in enumerate(made) for name, t in network.folded().items()}, file)
    return made, file


@pytest.fixture(scope="module")
def face():
    pixels = read_pixels(shared_path("faces", "images", "train_0003.jpg"))
    return face_inputs(pixels, Expression().landmarks_px(pixels))


def test_numpy_gives_what_torch_gives(networks, face):
    import torch

    made, file = networks
    grey, shape = face
    crops = torch.from_numpy(np.stack([standardised(grey), standardised(grey[:, ::-1])]))[:, None]
    shapes = torch.from_numpy(np.stack([shape.ravel(), mirrored(shape).ravel()])).float()
    with torch.no_grad():
        expected = torch.stack([network(crops, shapes).log_softmax(1) for network in made]).mean((0, 1))
    found = Expression(file).scores(grey, shape)
    assert np.abs(found - (expected - expected.mean()).numpy()).max() < 2e-3  # half precision on disk
    assert np.abs(Expression(file).scores(grey[:, ::-1], mirrored(shape)) - found).max() < 1e-5


def test_a_file_that_holds_no_networks_is_one_clear_error(tmp_path):
    (tmp_path / "wrong.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(InputError, match="holds no expression networks"):
        read_tensors(tmp_path / "wrong.safetensors")


def test_where_no_face_is_found_nothing_is_read(networks):
    prior = build_prior("dlib_68+expression", f"expression={networks[1]}")
    assert prior.dim == 143 and prior.read(np.zeros((64, 64, 3), np.uint8)) is None
