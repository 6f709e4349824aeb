"""A table about the samples -> S_re by group, and a test of the largest gap between groups.

The best and the worst group are picked after looking, so the gap between them is judged against the largest gaps that
arise when groups mean nothing: the groups' names are shuffled among the subjects, or the samples where no subjects are
named, and best and worst are picked anew each time. `p` is the share of shuffles with a gap as large (Phipson and Smyth
2010, doi 10.2202/1544-6115.1585), and the interval reaches as far to both sides of the gap as 97.5 % of the shuffled
gaps do from 0, so that each end leaves out 2.5 %.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.errors import InputError
from llava_faba.eval.bench import Score, draw, percent, percents, subjects_of
from llava_faba.eval.metrics import SEED, interval, mean_defined, sums_by
from llava_faba.eval.samples import Array, Sample
from llava_faba.files import existing_file

KEYS = ("id", "image")
MOST_VALUES = 10  # of a column of numbers that is taken as it is
MOST_GROUPS = 50
FEWEST = 5  # samples, or subjects, that a group needs to count for the gap
SHUFFLES = 2000

Table = Mapping[str, Mapping[str, str]]  # id or image -> column -> value


def read_groups(path: Path | str) -> tuple[str, Table]:
    """Read the CSV; return its key column, "id" or "image", and its rows by that key.

    Raises InputError for a missing key column, no further column, a row of another length and a repeated key.
    """
    with open(existing_file(path, "groups file"), newline="", encoding="utf-8-sig") as file:
        try:
            rows = [row for row in csv.reader(file, strict=True) if row]
        except (csv.Error, UnicodeDecodeError) as error:
            raise _unusable(f"The groups file {path} is no CSV in UTF-8: {error}.") from error
    head = [name.strip() for name in rows[0]] if rows else []
    key = next((name for name in KEYS if name in head), None)
    if key is None or len(head) < 2:
        raise _unusable(f"The groups file {path} has the columns {', '.join(head) or '(none)'}.")
    table: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            raise _unusable(
                f"The groups file {path}, row {number}, has {len(row)} cells under {len(head)} column names."
            )
        values = {name: value.strip() for name, value in zip(head, row, strict=True)}
        if values[key] in table:
            raise _unusable(f"The groups file {path}, row {number}, repeats the {key} {values[key]!r}.")
        table[values.pop(key)] = values
    return key, table


def add_groups(scores: Sequence[Score], key: str, table: Table) -> None:
    """Put `groups` into what each score reports: for each column, each group's S_re, and the gap.

    Raises InputError if the table lists none of the samples.
    """
    columns = [name for name in next(iter(table.values()), {}) if name not in KEYS]
    listed = [score for score in scores if any(getattr(s.answer, key) in table for s in score.samples)]
    if not listed:
        first = getattr(scores[0].samples[0].answer, key)
        raise _unusable(f"The groups file lists none of the samples, by {key}; the first answer has {first!r}.")
    for score in listed:
        score.extra["groups"] = {name: _column(score, key, table, name) for name in columns}


def _unusable(got: str) -> InputError:
    return InputError(
        got,
        "It needs a column `id` or `image` with each sample once, and one or more columns to group by.",
        "Correct the file, which --groups reads.",
    )


def _column(score: Score, key: str, table: Table, name: str) -> dict[str, Any]:
    values = {s.id: table.get(getattr(s.answer, key), {}).get(name, "") for s in score.samples}
    named = _grouped(values)
    if len(set(named.values())) > MOST_GROUPS:
        return {"skipped": f"{len(set(named.values()))} different values"}
    listed = [sample for sample in score.ordered() if sample.id in named]
    members: dict[str, list[Sample]] = {}
    for sample in listed:
        members.setdefault(named[sample.id], []).append(sample)
    groups = {group: _group(score, members[group]) for group in sorted(members, key=_ascending)}
    large = [group for group, found in groups.items() if not found["too_small"] and found["s_re"] is not None]
    compared = [sample for sample in listed if named[sample.id] in large]
    return {
        "groups": groups,
        "gap": _gap(score, compared, [named[sample.id] for sample in compared], large) if len(large) > 1 else None,
        "too_small": [group for group, found in groups.items() if found["too_small"]],
        "not_listed": len(score.samples) - len(named),
    }


def _group(score: Score, samples: Sequence[Sample]) -> dict[str, Any]:
    whole = score.tally.values(score.tally.columns(samples).sum(axis=0))
    names = subjects_of(samples)
    subjects = None if names is None else len(set(names))
    bounds = interval(draw(score.tally, samples, whole)["s_re"], subjects=subjects, around=float(whole["s_re"]))
    return {
        "n": len(samples),
        **({} if subjects is None else {"subjects": subjects}),
        "s_re": percent(whole["s_re"]),
        "ci95": percents(bounds),
        "too_small": (len(samples) if subjects is None else min(len(samples), subjects)) < FEWEST,
    }


def _grouped(values: Mapping[str, str]) -> dict[str, str]:
    """Name the group of each sample that has a value; numbers of many values are cut at their quartiles."""
    given = {identity: value for identity, value in values.items() if value}
    try:
        numbers = {identity: float(value) for identity, value in given.items()}
    except ValueError:
        return given
    if len(set(numbers.values())) <= MOST_VALUES or not np.isfinite(list(numbers.values())).all():
        return given
    edges = np.unique(np.quantile(list(numbers.values()), [0, 0.25, 0.5, 0.75, 1]))
    names = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    inner = edges[1:-1]
    return {identity: names[int(np.searchsorted(inner, number, side="right"))] for identity, number in numbers.items()}


def _ascending(group: str) -> tuple[float, str]:
    try:
        return float(group.split(" to ")[0]), group
    except ValueError:
        return float("inf"), group


def _gap(score: Score, samples: Sequence[Sample], names: Sequence[str], groups: Sequence[str]) -> dict[str, Any] | None:
    """Best minus worst group, over the AUs that all groups have, with the test described above."""
    columns, place = score.tally.columns(samples), np.searchsorted(sorted(groups), names)
    by_group = _common_s_re(score, _sums_of(columns, place, len(groups)))
    if np.isnan(by_group).any():  # no AU occurs in all of them
        return None
    worst, best = (sorted(groups)[pick(by_group)] for pick in (np.argmin, np.argmax))
    gap = float(np.ptp(by_group))
    shuffled = np.ptp(_common_s_re(score, np.stack(list(_shuffles(columns, place, subjects_of(samples))))), axis=-1)
    shuffled = shuffled[~np.isnan(shuffled)]
    reach = float(np.quantile(shuffled, 0.975, method="higher"))
    equal = 1e-9  # sums of the same numbers in another order
    return {
        "best": best,
        "worst": worst,
        "s_re": percent(gap),
        "ci95": percents((gap - reach, gap + reach)),
        "p": float(((shuffled >= gap - equal).sum() + 1) / (len(shuffled) + 1)),
        "aus": _common_aus(score, _sums_of(columns, place, len(groups))) if score.task == "au" else None,
    }


def _sums_of(columns: Array, place: np.ndarray, groups: int) -> Array:
    """Sum the columns (n, K) of each group: (groups, K)."""
    return (place == np.arange(groups)[:, None]).astype(float) @ columns


def _shuffles(columns: Array, place: np.ndarray, subjects: Sequence[str] | None) -> Iterator[Array]:
    """Yield each group's sums (groups, K) after its names were dealt out anew.

    A subject keeps all of its samples together where it is in one group only; otherwise names are dealt within it.
    """
    rng, groups = np.random.default_rng(SEED), int(place.max()) + 1
    if subjects is not None:
        known, of = np.unique(np.asarray(subjects), return_inverse=True)
        first = np.zeros(len(known), dtype=place.dtype)
        first[of] = place
        if (first[of] == place).all():  # age, sex: a subject is in one group
            columns, place = sums_by(columns, subjects), first
        else:  # pose, light: a subject is in several
            order = np.argsort(of, kind="stable")
            columns, place, of = columns[order], place[order], of[order]
            for _ in range(SHUFFLES):
                yield _sums_of(columns, place[np.lexsort((rng.random(len(place)), of))], groups)
            return
    for _ in range(SHUFFLES):
        yield _sums_of(columns, rng.permutation(place), groups)


def _common_s_re(score: Score, sums: Array) -> Array:
    """S_re of each group from sums (..., groups, K); for AUs the mean F1 over those with positives in every group."""
    values = score.tally.values(sums)
    if score.task == "emotion":
        return values["s_re"]
    common = (values["support"] > 0).all(axis=-2, keepdims=True)
    return mean_defined(np.where(common, values["f1"], np.nan))


def _common_aus(score: Score, sums: Array) -> list[str]:
    support = score.tally.values(sums)["support"]
    return [name for name, found in zip(score.classes, (support > 0).all(axis=0), strict=True) if found]
