"""Where a model is loaded, in which numbers, and whether its linear layers are quantised.

Beside the model itself (7B: 28 GB in float32, 14 GB in float16) 8 bits take about half of float16's memory and 4 bits
about a third: the language model's linear layers are quantised, embeddings, output head and projectors are not.
"""

from importlib.util import find_spec
from typing import Any

import torch

from llava_faba.errors import InputError, MissingDependencyError
from llava_faba.host.compat import transformers_version

# Projectors are trained beside a quantised model, or read raw priors; the severity path answers in numbers.
UNQUANTISED = ("lm_head", "mm_projector", "vision_tower", "facial_prior_projector", "severity_path")


def default_device() -> str:
    """CUDA where there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def default_dtype(device: str) -> torch.dtype:
    """The numbers of a device where none are asked for: float32 on a CPU, float16, as LLaVA's, elsewhere."""
    return torch.float32 if torch.device(device).type == "cpu" else torch.float16


def placing(
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
    *,
    load_8bit: bool = False,
    load_4bit: bool = False,
    device_map: Any = None,
) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` that place a model; weights go straight to their device.

    Raises InputError for a device or numbers that are not here, or that cannot be quantised.
    """
    where = _device(device)
    on_cpu = where.type == "cpu" and (device_map in (None, "auto", "cpu") or device_map == {"": "cpu"})
    numbers = _dtype(dtype) if dtype is not None else default_dtype("cpu" if on_cpu else str(where))
    if device_map in (None, "auto") and (device is not None or on_cpu):
        device_map = {"": str(where)} if device_map is None or on_cpu else device_map
    arguments: dict[str, Any] = {
        "torch_dtype": numbers,
        "low_cpu_mem_usage": True,
        "device_map": device_map if device_map is not None else {"": str(where)},
    }
    if load_8bit or load_4bit:
        arguments["quantization_config"] = _quantisation(load_8bit, load_4bit, numbers, on_cpu)
    return arguments


def _device(device: str | None) -> torch.device:
    try:
        where = torch.device(device or default_device())
    except RuntimeError as error:
        raise InputError(
            f"device is {device!r}.", "It is cpu, cuda or cuda:N.", "Leave it out for CUDA where there is one."
        ) from error
    if where.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device is {device}, and there is no CUDA device here.",
            "It is cpu, or cuda on a machine with an NVIDIA GPU and a torch that is built for it.",
            "Give cpu, or leave it out.",
        )
    return where


def _dtype(dtype: str | torch.dtype) -> torch.dtype:
    resolved = dtype if isinstance(dtype, torch.dtype) else getattr(torch, str(dtype), None)
    if not isinstance(resolved, torch.dtype) or not resolved.is_floating_point:
        raise InputError(
            f"dtype is {dtype!r}.", "It is float32, float16 or bfloat16.", "Use float32 on a CPU, bfloat16 on a GPU."
        )
    return resolved


def _quantisation(load_8bit: bool, load_4bit: bool, numbers: torch.dtype, on_cpu: bool) -> Any:
    if load_8bit and load_4bit:
        raise InputError(
            "Loading in 8 and in 4 bits was asked for at once.", "A model is loaded in one of them.", "Give one."
        )
    if find_spec("bitsandbytes") is None:
        raise MissingDependencyError(
            "Loading in 8 or 4 bits needs the package bitsandbytes, which is not installed here.",
            "It quantises on NVIDIA GPUs, and with transformers 5 on CPUs too.",
            "Install it with: pip install bitsandbytes",
        )
    if on_cpu and transformers_version() < (5, 0, 0):
        raise InputError(
            "Loading in 8 or 4 bits was asked for on a CPU, with transformers 4.37.2.",
            "That transformers quantises on NVIDIA GPUs only; transformers 5.4 or newer does so on CPUs too.",
            "Leave the flag out, or install: pip install 'transformers>=5.4'",
        )
    from transformers import BitsAndBytesConfig

    skipped = list(UNQUANTISED)
    if load_8bit:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skipped)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_compute_dtype=numbers,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_quant_type="nf4",
        llm_int8_skip_modules=skipped,
    )
