"""Answers of another tool and samples with labels -> scored samples: each answer finds its sample by some name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError
from llava_faba.eval.answers import Answer

Found = tuple[str, str, str, dict[str, Any]]  # id, answer, place, the whole record

_KEYS: tuple[Callable[[int, Answer], str], ...] = (
    lambda number, sample: sample.id,
    lambda number, sample: sample.image,
    lambda number, sample: Path(sample.image).name,
    lambda number, sample: Path(sample.image).stem,
)


def joined(found: list[Found], samples: list[Answer]) -> list[Answer]:
    """Give each sample its answer, by the first kind of key that places all of them."""
    given = _by_identity(found)
    names = _matching_names(given, samples)
    if names is None:  # the files of a table are known by their whole path, those of samples below the image root
        longest = max(len(Path(identity).parts) for identity in given)
        for depth in range(longest - 1, 0, -1):
            tails = {"/".join(Path(identity).parts[-depth:]): one for identity, one in given.items()}
            if len(tails) == len(given) and (names := _matching_names(tails, samples)):
                given = tails
                break
    if names is None:
        raise _strangers(found, samples)
    answers = []
    for name, sample in zip(names, samples, strict=True):
        if name in given:
            _, text, place, record = given[name]
            question = str(record.get("question") or sample.question)
            answers.append(replace(sample, answer=text, place=place, question=question))
        else:
            answers.append(sample)
    return answers


def _by_identity(found: list[Found]) -> dict[str, Found]:
    given: dict[str, Found] = {}
    for one in found:
        if one[0] in given:
            raise InputError(
                f"{one[2]} repeats the id {one[0]!r} of {given[one[0]][2]}.",
                "Each sample is answered once.",
                "Remove one of the two; with --crop largest `llava-faba describe` writes one row a picture.",
            )
        given[one[0]] = one
    return given


def _matching_names(given: dict[str, Found], samples: list[Answer]) -> list[str] | None:
    """What each sample is called in the answers' file; None where no kind of name places all answers."""
    for key in _KEYS:
        names = [key(number, sample) for number, sample in enumerate(samples)]
        if len(set(names)) == len(names) and given.keys() <= set(names):
            return names
    numbers = [str(number) for number in range(len(samples))]
    return numbers if given.keys() == set(numbers) else None  # part of them may be counted from 1: never guessed


def _strangers(found: list[Found], samples: list[Answer]) -> InputError:
    known = {sample.id for sample in samples}
    stranger = next((one for one in found if one[0] not in known), found[0])
    return InputError(
        f"{stranger[2]} answers {stranger[0]!r}, which is no sample of the references, not by its id, its image or "
        f"the image's name; and the {len(found)} answers are not numbered from 0 to {len(samples) - 1}.",
        f"The first of the {len(samples)} samples is {samples[0].id!r}.",
        "Give the references of these answers, one task at a time, with --references and --task.",
    )
