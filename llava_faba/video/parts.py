"""Which parts of a model that assesses clips are trained, and by whom."""

from typing import Any

from llava_faba.video.network import SeverityPath
from llava_faba.video.weights import PATH, PROJECTIONS


def choose_trained(model: Any, objective: str) -> None:
    """Train what the objective names: `severity` the path alone, `report` everything but it, `joint` both."""
    inner = model.get_model()
    if objective == "severity":
        model.requires_grad_(False)
    for name in PROJECTIONS:
        getattr(inner, name).requires_grad_(objective != "severity")
    getattr(inner, PATH).requires_grad_(objective != "report")
    if objective == "severity":
        inner.idle_weight.requires_grad_(True)


def hold_apart(model: Any) -> SeverityPath:
    """Take the severity path out of the model's modules, and return it; the model goes on using it.

    DeepSpeed casts, splits and clips what it finds among the modules, DDP waits for its gradients, and a loss scaler
    skips its steps. `clip_weights` and `save_clip_modules` keep the path instead.
    """
    inner = model.get_model()
    path = inner._modules.pop(PATH)
    vars(inner)[PATH] = path
    return path
