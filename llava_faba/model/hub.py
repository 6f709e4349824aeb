"""A model's folder, or its name on the Hugging Face hub with one commit -> its folder on this disk."""

import re
from pathlib import Path

from llava_faba.errors import InputError, MissingDependencyError, MissingFileError

NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
# Pickles are left on the hub, but for those in which LLaVA's own checkpoints keep projectors and adapters; they are
# read with weights_only=True. No code is fetched.
WANTED = ["*.json", "*.safetensors", "*.model", "mm_projector.bin", "non_lora_trainables.bin", "adapter_model.bin"]
WANTED += ["pytorch_model*.bin", "landmark_feature_projector.bin"]


def model_folder(path: str | Path, what: str, revision: str | None = None) -> Path:
    """Return the folder of a model, fetched from the hub at `revision`, a commit of 40 hex digits, if that is given.

    What is there already is not fetched again, and nothing is without a revision. `what` names the model in errors.
    """
    if revision is not None:
        return _fetched(str(path), what, revision)
    folder = Path(path).expanduser()
    if (folder / "config.json").is_file():
        return folder
    raise MissingFileError(
        f"The {what} {folder} is no model folder: there is no config.json in it.",
        "It is the folder that training or merging wrote, or a released checkpoint on this disk.",
        "Check the path; a model of the hub is loaded by its name and its commit: "
        'llava_faba.load("owner/name", revision="40 hex digits").',
    )


def _fetched(name: str, what: str, revision: str) -> Path:
    if not NAME.fullmatch(name) or not COMMIT.fullmatch(revision):
        raise InputError(
            f"The {what} {name} is asked for at the revision {revision!r}.",
            "A model of the hub is an owner/name at one commit, 40 hex digits, so that it is the one that was looked "
            "at; a folder has no revision.",
            "Give the commit that the model's page on the hub shows, or leave the revision out for a folder.",
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependencyError(
            "Fetching a model needs the package huggingface_hub, which is not installed here.",
            "It comes with transformers.",
            "Install it with: pip install huggingface_hub",
        ) from error
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=WANTED))
    except Exception as error:  # the network, the hub's answer, a disk that is full: each with a type of its own
        raise MissingFileError(
            f"The {what} {name} at {revision} could not be fetched: {type(error).__name__}: {error}",
            "It is fetched once from the hub, or taken from this machine's cache of it.",
            "Check name, commit and network; a private model needs `huggingface-cli login`.",
        ) from error
