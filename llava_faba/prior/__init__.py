"""Face crop -> prior: the registry of facial priors.

A prior is a `FacialPrior`: `name`, `dim`, `version`, `extract(crops) -> (priors, valid)`. Importing this module costs
none of the packages that measure; each is imported when its prior is first used.

A third party adds a prior by a key of PRIORS, or by an entry point of the group `llava_faba.priors` whose name is the
prior's and whose value is a class or function that takes the path of a model file, or nothing.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from llava_faba.errors import InputError
from llava_faba.prior.base import FacialPrior
from llava_faba.prior.precomputed import Precomputed, check_manifest, prior_file_dim, read_prior_file

__all__ = [
    "PRIORS",
    "FacialPrior",
    "build_prior",
    "check_manifest",
    "prior_file_dim",
    "prior_names",
    "read_prior_file",
]

GROUP = "llava_faba.priors"
PRIORS: dict[str, str | Callable[..., FacialPrior]] = {  # name -> "module:class", or the class itself
    "emola_2d106": "llava_faba.prior.insightface:Emola2d106",
    "insightface_2d106": "llava_faba.prior.insightface:Insightface2d106",
    "insightface_1k3d68": "llava_faba.prior.insightface:Insightface1k3d68",
    "insightface_arcface": "llava_faba.prior.insightface:InsightfaceArcface",
    "dlib_68": "llava_faba.prior.dlib68:Dlib68",
    "expression": "llava_faba.prior.expression:Expression",
    "mediapipe_blendshapes": "llava_faba.prior.blendshapes:MediapipeBlendshapes",
    "precomputed": "llava_faba.prior.precomputed:Precomputed",
}


def prior_names() -> list[str]:
    """Return the names of all priors, third parties' included."""
    return [*PRIORS, *_installed()]


def build_prior(name: str, model_file: str | None = None, size: int | None = None) -> FacialPrior:
    """Build the prior `name`, or several joined by "+", without opening any model.

    `model_file` is the path of the prior's model file, or of the folder that holds it; without it the file is looked
    for when it is first needed. For a joined prior it goes to each part that takes one, or is "NAME=PATH,NAME=PATH".
    `size` is the length of vectors from files, for `precomputed`; every other prior has a length of its own.

    >>> build_prior("precomputed", size=35).dim
    35

    Raises InputError for an unknown name, and MissingFileError for a path at which there is nothing.
    """
    parts = name.split("+")
    if len(parts) == 1:
        prior = _build_one(name, model_file)
        if isinstance(prior, Precomputed) and not prior.dim:
            prior = Precomputed(size=size)
        return prior
    from llava_faba.prior.base import CompositePrior

    files = _files_of(parts, model_file)
    return CompositePrior([_build_one(part, files.get(part)) for part in parts])


def _build_one(name: str, model_file: str | None) -> FacialPrior:
    entry: Any = PRIORS.get(name)
    if entry is None:
        point = _installed().get(name)
        if point is None:
            raise InputError(
                f"There is no facial prior {name!r}.",
                f"Available: {', '.join(prior_names())}; several are joined by '+'.",
                "Choose one of these, or install the package that brings it.",
            )
        entry = point.load()
    if isinstance(entry, str):
        module, _, attribute = entry.partition(":")
        entry = getattr(import_module(module), attribute)
    return entry() if model_file is None else entry(model_file)


def _installed() -> dict[str, Any]:
    """The entry points of installed packages by name; two of one name, or one of ours, are an error."""
    from importlib.metadata import entry_points

    points: dict[str, Any] = {}
    for point in entry_points(group=GROUP):
        other = points.setdefault(point.name, point)
        if point.name in PRIORS or other.value != point.value:
            raise InputError(
                f"The facial prior {point.name!r} is brought by {point.value} and by "
                f"{'llava-faba itself' if point.name in PRIORS else other.value}.",
                "The name of a prior stands for one prior.",
                "Uninstall one of the packages, or rename its entry point.",
            )
    return points


def _files_of(parts: list[str], model_file: str | None) -> dict[str, str]:
    """Tell which part of a joined prior gets which model file."""
    if model_file is None:
        return {}
    if "=" not in model_file:
        return {part: model_file for part in parts if part != "dlib_68"}
    files = dict(pair.partition("=")[::2] for pair in model_file.split(","))
    if unknown := set(files) - set(parts):
        raise InputError(
            f"A model file is given for {', '.join(sorted(unknown))}.",
            f"The parts of the prior are {', '.join(parts)}.",
            "Write NAME=PATH,NAME=PATH with names of these parts.",
        )
    return files
