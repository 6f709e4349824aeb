"""The facial prior's fields in config.json, and the checks that need neither LLaVA nor torch.

Whatever runs a model, LLaVA (model/config.py) or vLLM (serving/config.py), reads them by this module.
"""

from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingFileError
from llava_faba.model.hub import is_hub_name

POSITIONS = ("after", "before", "only")
NORMALISATIONS = ("fit", "none")


class PriorFields:
    """What a configuration with a facial prior has beside its host's own fields.

    The defaults are class attributes: a model without a prior saves none of these fields and stays a LLaVA.
    """

    facial_prior_tower = None  # a name in llava_faba.prior.PRIORS, or several joined by "+"; None: stock LLaVA
    facial_prior_model = None  # path of the tower's model file, when it needs one
    facial_prior_hidden_size = None  # length P of the prior vector
    facial_prior_sizes = None  # the lengths of the single priors where there are several; they sum to P
    facial_prior_projector_type = "mlp2x_gelu"  # linear, mlpNx_gelu or identity, as LLaVA's mm_projector
    facial_prior_position = "after"  # after, before or only (instead of) the visual tokens
    tune_facial_prior_projector = True
    facial_prior_normalisation = None  # "fit" or "none"; None: what the tower asks for
    facial_prior_mean = None  # (P,) floats fitted on the training set; None: the identity
    facial_prior_std = None
    facial_prior_dropout = 0.0  # chance that a training sample's prior is replaced by the learned empty prior

    @property
    def facial_prior_is_learned_empty(self) -> bool:
        """Whether the model has an empty prior, which also stands in where no face was read."""
        return self.facial_prior_dropout > 0


def find_vision_tower(config: Any, *folders: Path) -> None:
    """Let the configuration name a vision tower's folder where it is: as named, or in or beside one of `folders`.

    A name on the hub stays as it is. Raises MissingFileError where there is no such folder.
    """
    named = getattr(config, "mm_vision_tower", None)
    if not named:
        return
    path = Path(named).expanduser()
    beside = [place for folder in folders for place in (folder, folder.parent)]
    places = [path, *(place / part for place in beside for part in dict.fromkeys((named, path.name)))]
    for place in places:
        if (place / "config.json").is_file():
            config.mm_vision_tower = str(place.resolve())
            return
    if not is_hub_name(named):
        raise MissingFileError(
            f"The vision tower {named}, which {folders[0] / 'config.json'} names, was not found: there is no "
            f"config.json in {', '.join(map(str, dict.fromkeys(places)))}.",
            "A vision tower is a folder in or beside the model's, or a name on the hub such as "
            "openai/clip-vit-large-patch14-336.",
            "Copy the tower's folder beside the model, or correct mm_vision_tower in config.json.",
        )


def check_facial_prior(config: Any) -> None:
    """Refuse a configuration whose facial prior cannot be built; each error names the field."""
    choices = {"facial_prior_position": POSITIONS, "facial_prior_normalisation": (*NORMALISATIONS, None)}
    for field, allowed in choices.items():
        if getattr(config, field) not in allowed:
            raise InputError(
                f"{field} is {getattr(config, field)!r}.",
                f"It is one of {', '.join(str(choice) for choice in allowed)}.",
                f"Correct --{field}, or the field in config.json.",
            )
    if not 0 <= config.facial_prior_dropout < 1:
        raise InputError(
            f"facial_prior_dropout is {config.facial_prior_dropout}.",
            "It is a chance: at least 0 and under 1.",
            "Correct --facial_prior_dropout.",
        )
    size = config.facial_prior_hidden_size
    if not isinstance(size, int) or size < 1:
        raise InputError(
            f"facial_prior_hidden_size is {size!r}.",
            "A model with a facial prior knows its length P, a positive integer.",
            "Give --facial_prior_hidden_size, or use a tower that knows it.",
        )
    for field in ("facial_prior_mean", "facial_prior_std"):
        values = getattr(config, field)
        if values is not None and len(values) != size:
            raise InputError(
                f"{field} holds {len(values)} numbers.",
                f"It has one for each of the prior's {size}.",
                "Use the config.json that was saved with this model.",
            )
