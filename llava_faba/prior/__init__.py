"""Face crop -> prior: the registry of facial priors.

A prior is a `FacialPrior`: `name`, `dim`, `version`, `extract(crops) -> (priors, valid)`. Importing this module costs
none of the packages that measure; each is imported when its prior is first used.
"""

from collections.abc import Callable
from importlib import import_module

from llava_faba.errors import InputError
from llava_faba.prior.base import FacialPrior
from llava_faba.prior.precomputed import check_manifest, prior_file_dim, read_prior_file

__all__ = ["PRIORS", "FacialPrior", "build_prior", "check_manifest", "prior_file_dim", "read_prior_file"]

PRIORS: dict[str, str | Callable[..., FacialPrior]] = {  # name -> "module:class", or the class itself
    "emola_2d106": "llava_faba.prior.insightface:Emola2d106",
    "insightface_2d106": "llava_faba.prior.insightface:Insightface2d106",
    "dlib_68": "llava_faba.prior.dlib68:Dlib68",
    "precomputed": "llava_faba.prior.precomputed:Precomputed",
}


def build_prior(name: str, model_file: str | None = None) -> FacialPrior:
    """Build the prior `name` of PRIORS; `model_file` is the path of its model, for those that need one."""
    if name not in PRIORS:
        raise InputError(
            f"There is no facial prior {name!r}.",
            f"Available: {', '.join(PRIORS)}.",
            "Choose one of these.",
        )
    entry = PRIORS[name]
    if isinstance(entry, str):
        module, _, attribute = entry.partition(":")
        entry = getattr(import_module(module), attribute)
    return entry() if model_file is None else entry(model_file)
