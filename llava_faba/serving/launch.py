"""A model's name -> the command that serves it by vLLM, checked before gigabytes are read. vLLM is not imported."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llava_faba.data.prompts import QUESTIONS
from llava_faba.errors import InputError
from llava_faba.model.classify import classify
from llava_faba.prior import build_prior
from llava_faba.serving import ARCHITECTURE, MODEL_TYPE
from llava_faba.serving.versions import installed_version, require_known

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_servable(model: str | Path, revision: str | None = None) -> Path:
    """Return the folder of a model that vLLM can serve here; a model of the hub is fetched.

    Raises InputError for a vLLM that is not known, a model that is not merged or no face reader's, and a prior whose
    packages or model file are not here.
    """
    require_known(installed_version())
    plugins = os.environ.get("VLLM_PLUGINS")
    if plugins is not None and "llava_faba" not in plugins.split(","):
        raise InputError(
            f"VLLM_PLUGINS is {plugins!r}.",
            "vLLM loads the plugins that it names only, and ours is llava_faba.",
            "Add llava_faba to it, or unset it.",
        )
    checkpoint = classify(model, revision)
    if checkpoint.kind != "whole":
        what = {"lora": "a LoRA adapter beside its base", "language": "a plain language model"}.get(checkpoint.kind)
        raise InputError(
            f"The model {model} is not merged: it holds {what or 'a pretrained projector'}.",
            "vLLM serves one whole model.",
            f"Merge it first: llava-faba merge --model-path {model} --out {Path(str(model)).name}-merged",
        )
    config = checkpoint.config
    if config.get("model_type") != MODEL_TYPE or ARCHITECTURE not in (config.get("architectures") or [ARCHITECTURE]):
        raise InputError(
            f"The model {model} is of the type {config.get('model_type')}.",
            f"Through llava-faba's plugin vLLM serves models with a facial prior, of the type {MODEL_TYPE}.",
            f"For a checkpoint of EmoLA's: llava-faba merge --model-path {model} --out {Path(str(model)).name}-merged",
        )
    from llava_faba.serving.config import ServedConfig

    read = ServedConfig.from_dict(dict(config), name_or_path=checkpoint.folder)
    if read.facial_prior_tower != "precomputed":
        prior = build_prior(read.facial_prior_tower, read.facial_prior_model, read.facial_prior_hidden_size)
        prior.extract([np.zeros((64, 64, 3), dtype=np.uint8)])  # opens what it needs
    return checkpoint.folder


def server_command(
    folder: Path, name: str, host: str, port: int, dtype: str, given_priors: bool, more: Sequence[str] = ()
) -> list[str]:
    """Return the command that serves a folder under a name; `more` are flags of vLLM's own, which win.

    By module: vLLM's distribution for CPUs brings no working `vllm serve`.
    """
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", name, "--host", host, "--port", str(port), "--dtype", dtype]
    command += ["--generation-config", "vllm"]  # else Vicuna's temperature is every request's
    command += ["--allowed-media-domains", "none"]  # pictures come with requests; no address in one is fetched
    return [*command, *(["--trust-request-mm-kwargs"] if given_priors else []), *more]


def example_request(address: str, name: str, picture: str = "FACE.jpg") -> str:
    """Return a line for a shell that asks the server about a picture; its JSON goes through a pipe, for its length."""
    content = [{"type": "text", "text": QUESTIONS["emotion"]}, {"type": "image_url", "image_url": {"url": "DATA"}}]
    body = {"model": name, "temperature": 0, "max_tokens": 512, "messages": [{"role": "user", "content": content}]}
    before, after = json.dumps(body).split("DATA")
    return (
        f"{{ printf %s {shlex.quote(before + 'data:image/jpeg;base64,')}; base64 -w0 {shlex.quote(picture)}; "
        f"printf %s {shlex.quote(after)}; }} | curl -s {address}/chat/completions "
        "-H 'Content-Type: application/json' -d @-"
    )
