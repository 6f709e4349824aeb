"""A model's name -> the folder that holds it: on this disk, or in the cache of the Hugging Face hub.

Only weights, tokenizer and configuration are fetched, and no code is run. huggingface_hub decides the rest: its cache
(HF_HOME), its token (`hf auth login` or HF_TOKEN) and its offline switch (HF_HUB_OFFLINE=1).
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import read_json

NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
REVISION = re.compile(r"\w[\w./-]*")  # a branch, a tag or a commit; nothing that could leave the cache's folders
# Pickles are fetched too, because LLaVA's and EmoLA's releases are pickles; they are read with weights_only=True.
WANTED = ["*.json", "*.safetensors", "tokenizer.model", "pytorch_model*.bin", "mm_projector.bin"]
WANTED += ["adapter_model.bin", "non_lora_trainables.bin", "landmark_feature_projector.bin"]


class Resolved(NamedTuple):
    """Where a model is, and at which commit of the hub; a folder of the user's own has no commit."""

    folder: Path
    commit: str | None


def resolve(model: str | Path, revision: str | None = None, what: str = "model") -> Resolved:
    """Return the folder of a model, and the commit where it comes from the hub; `what` names its role in errors.

    A folder that exists is taken as it is. Otherwise OWNER/NAME is a model of the hub, at `revision` (a branch, a tag
    or a commit; default: main), fetched unless it is in the cache. Raises InputError or MissingFileError.
    """
    folder = Path(model).expanduser()
    if revision is None and folder.is_dir():
        return Resolved(folder, None)
    if not _is_name(model, revision, what):
        raise _no_folder(folder, what)
    from huggingface_hub import snapshot_download

    snapshot = Path(_ask_hub(snapshot_download, model, revision, what, allow_patterns=WANTED))
    return Resolved(snapshot, snapshot.name)


def config_of(model: str | Path, revision: str | None = None, what: str = "model") -> dict[str, Any]:
    """Read the config.json of a model, of which nothing else is fetched; {} where a folder has none."""
    folder = Path(model).expanduser()
    if folder.is_dir() or not _is_name(model, revision, what):
        file = folder / "config.json"
        if not file.is_file():
            return {}
    else:
        from huggingface_hub import hf_hub_download

        file = Path(_ask_hub(hf_hub_download, model, revision, what, filename="config.json"))
    config = read_json(file, "config")
    return config if isinstance(config, dict) else {}


def is_hub_name(model: str | Path) -> bool:
    """Whether `model` can be a model of the hub: OWNER/NAME, and no folder on this disk."""
    return bool(NAME.fullmatch(str(model))) and not Path(model).expanduser().exists()


def _is_name(model: str | Path, revision: str | None, what: str) -> bool:
    if revision is not None and (not NAME.fullmatch(str(model)) or not _is_revision(revision)):
        raise InputError(
            f"The {what} {model} is asked for at the revision {revision!r}.",
            "A revision is a branch, a tag or a commit of a model of the Hugging Face hub, OWNER/NAME; a folder has "
            "none.",
            "Check name and revision, or leave the revision out.",
        )
    return bool(NAME.fullmatch(str(model)))


def _is_revision(revision: str) -> bool:
    return bool(REVISION.fullmatch(revision)) and ".." not in revision


def _no_folder(folder: Path, what: str) -> MissingFileError:
    return MissingFileError(
        f"The {what} {folder} is no model folder: there is no such folder.",
        "It is the folder that training or merging wrote, a released checkpoint on this disk, or OWNER/NAME of a model "
        "on the Hugging Face hub.",
        "Check the path.",
    )


def _ask_hub(fetch: Callable[..., str], model: str | Path, revision: str | None, what: str, **options: Any) -> str:
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    at = f" at {revision}" if revision else ""
    try:
        return fetch(str(model), revision=revision, **options)
    except GatedRepoError as error:
        reason, remedy = "its owner has not let you in", "Accept its terms on its page, then run `hf auth login`."
        raise _not_fetched(model, at, what, reason, remedy) from error
    except RevisionNotFoundError as error:
        reason, remedy = f"it has no revision {revision}", "Check the revision on the model's page."
        raise _not_fetched(model, at, what, reason, remedy) from error
    except RepositoryNotFoundError as error:
        reason = "the hub has no such model, or the token that is set here may not read it"
        remedy = "Check the name; for a private model check the token with `hf auth whoami`."
        raise _not_fetched(model, at, what, reason, remedy) from error
    except Exception as error:  # the network, the disk, the cache: each with a type of its own
        if HF_HUB_OFFLINE:
            reason = "it is not in this machine's cache of the hub, and the hub is switched off (HF_HUB_OFFLINE)"
            remedy = f"Fetch it once where there is a network: hf download {model}"
        else:
            said = str(error).strip().splitlines() or [""]
            reason, remedy = f"{type(error).__name__}: {said[0]}", "Check the network and the disk, and try again."
        raise _not_fetched(model, at, what, reason, remedy) from error


def _not_fetched(model: str | Path, at: str, what: str, reason: str, remedy: str) -> MissingFileError:
    return MissingFileError(
        f"The {what} {model}{at} is no folder on this disk and could not be fetched from the hub: {reason}.",
        "A model is a folder, or OWNER/NAME of a model on the Hugging Face hub.",
        remedy,
    )
