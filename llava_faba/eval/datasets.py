"""The data sets that can be scored: which AUs are read from a text, and which of them count."""

from dataclasses import dataclass

from llava_faba.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """What one data set asks for; AU numbers in ascending order."""

    name: str
    tasks: tuple[str, ...]  # "emotion", "au"
    read_aus: tuple[int, ...] = ()  # AUs that texts and labels are read for; others are ignored
    scored_aus: tuple[int, ...] = ()  # those whose F1 enters S_re
    protocol: str = ""  # how the published numbers were made
    rules: str = "emola"  # that are taken where none are asked for


# https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L118-L128 (read) and #L392-L401 (scored);
# protocols: arXiv 2404.05052 section 5 and its supplement D.1.
_FABA = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 20, 23, 24, 25, 26, 27, 43)
_DISFA = (1, 2, 4, 6, 9, 12, 25, 26)
_BP4D = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
_EMOTIONET = (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26, 43)
_GFT = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 23, 24, 25, 26)

DATASETS = {
    "faba": Dataset(
        "faba",
        ("emotion", "au"),
        _FABA,
        (1, 2, 4, 5, 6, 10, 12, 17, 24, 25, 26, 43),
        "FABA-Bench's test split: 403 emotion and 325 AU samples",
    ),
    "raf-db": Dataset(
        "raf-db",
        ("emotion",),
        protocol="the released test split, seven basic emotions",
        rules="paper",  # its answers are one word, "Happiness", on which the released parser crashes
    ),
    "bp4d": Dataset("bp4d", ("au",), _BP4D, _BP4D, "three subject-exclusive folds, mean over the folds"),
    "disfa": Dataset(
        "disfa", ("au",), _DISFA, _DISFA, "three subject-exclusive folds, mean over the folds; active at intensity >= 2"
    ),
    "gft": Dataset("gft", ("au",), _GFT, (1, 2, 4, 6, 10, 12, 14, 15, 23, 24), "the released split"),
    "emotionet": Dataset("emotionet", ("au",), _EMOTIONET, _EMOTIONET, "the released split"),
}


def dataset_named(name: str) -> Dataset:
    """Return the data set of that name; raises InputError for any other name."""
    if name not in DATASETS:
        raise InputError(
            f"There is no data set {name!r}.",
            f"Known are {', '.join(DATASETS)}.",
            "Give one of them with --dataset.",
        )
    return DATASETS[name]
