"""Where the starter's files are, and what is printed where it stands in for a model of the user's own.

`model/` is a LLaVA with the prior `dlib_68+expression` as `llava_faba.load` reads it, `expression.safetensors` holds
the networks of that prior, `CARD.md` says what it was trained on and how well it does. scripts/make_starter.sh makes
all of them but the card.
"""

import sys
from pathlib import Path

from llava_faba.errors import MissingFileError

HERE = Path(__file__).parent
NAME = "starter"
MODEL = HERE / "model"
CARD = HERE / "CARD.md"
NOTICE = (
    "No model was named, so the starter that llava-faba brings along answers: small, seven expressions and what "
    "landmarks show. A better one: --model-path MODEL (model_path=MODEL in Python)."
)


def has_starter() -> bool:
    """Whether this installation has the starter's weights."""
    return (MODEL / "config.json").is_file()


def starter_model() -> Path:
    """Return the folder of the starter; raises MissingFileError where the package was installed without it.

    >>> starter_model().name
    'model'
    """
    if not has_starter():
        raise MissingFileError(
            f"No model was named, and the starter is not in {MODEL}.",
            "The package brings the starter along; a source tree may lack it.",
            "Name a model (--model-path), or make the starter: bash scripts/make_starter.sh FACES.csv OUT",
        )
    return MODEL


def chosen_model(model_path: str | Path | None) -> str:
    """Return the model that was named, or the starter's folder, and then print so once on stderr."""
    if model_path is not None:
        return str(model_path)
    folder = starter_model()
    print(NOTICE, file=sys.stderr)
    return str(folder)
