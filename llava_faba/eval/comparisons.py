"""Two answer files on the same samples -> their difference with its interval, from draws that both share."""

import csv
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.errors import InputError
from llava_faba.eval.bench import Score, percent, percents
from llava_faba.eval.metrics import interval, resampled_sums
from llava_faba.eval.samples import SUMMARY, Sample
from llava_faba.files import existing_file


def add_paired(ours: Sequence[Score], others: Sequence[Score], name: str) -> None:
    """Put `paired` into what each of our scores reports: ours minus the other's, on the samples that both have.

    Raises InputError if a task is missing in the other, no sample is shared, or a shared one has another label.
    """
    by_kind = {(other.rules, other.task): other for other in others}
    for score in ours:
        other = by_kind.get((score.rules, score.task))
        if other is None:
            raise InputError(
                f"{name} holds no answers of the task {score.task}.",
                "A paired comparison needs the same samples answered in both.",
                "Give the other model's answers to the same questions with --paired.",
            )
        score.extra["paired"] = _difference(score, other, name)


def _difference(score: Score, other: Score, name: str) -> dict[str, Any]:
    first = {sample.id: sample for sample in score.samples}
    second = {sample.id: sample for sample in other.samples}
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise InputError(
            f"{name} shares no sample of the task {score.task} with the answers that are scored.",
            "A paired comparison needs the same ids in both.",
            "Describe the same data with both models.",
        )
    for identity in shared:
        if first[identity].label != second[identity].label:
            one, two = first[identity].answer, second[identity].answer
            raise InputError(
                f"Sample {identity!r} has the label {one.label!r} in {one.place} but {two.label!r} in {two.place}.",
                "A paired comparison needs the same data in both.",
                "Score both models on the same annotation file.",
            )
    columns = [score.tally.columns([samples[identity] for identity in shared]) for samples in (first, second)]
    totals = [score.tally.values(own.sum(axis=0)) for own in columns]
    drawn = [
        score.tally.values(draws, total["support"])
        for draws, total in zip(np.split(resampled_sums(np.hstack(columns)), 2, axis=1), totals, strict=True)
    ]
    result: dict[str, Any] = {
        "other": name,
        "n": len(shared),
        "not_shared": len(first) + len(second) - 2 * len(shared),
        "difference": {},
        "ci95": {},
        "p": {},
    }
    for metric in SUMMARY:
        differences = np.round(drawn[0][metric] - drawn[1][metric], 12)  # equal ones are 0 whatever the order of sums
        result["difference"][metric] = percent(totals[0][metric] - totals[1][metric])
        result["ci95"][metric] = percents(interval(differences))
        result["p"][metric] = _two_sided(differences)
    return result


def _two_sided(differences: np.ndarray) -> float | None:
    """Twice the share of draws on the rarer side of 0: the level at which the percentile interval just holds 0.

    The test set itself counts as one draw more, so that no p is 0 (Phipson and Smyth 2010, doi 10.2202/1544-6115.1585).
    """
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return None
    rarer = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(defined) + 1)))


KEYS = ("id", "image")
MOST_VALUES = 10  # of a column of numbers that is taken as it is
MOST_GROUPS = 50
FEWEST = 5  # samples that a group needs to count for the gap

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
    members: dict[str, list[Sample]] = {}
    for sample in sorted(score.samples, key=lambda sample: sample.id):
        if sample.id in named:
            members.setdefault(named[sample.id], []).append(sample)
    groups, draws = {}, {}
    for seed, group in enumerate(sorted(members, key=_ascending)):
        counts = score.tally.columns(members[group])
        draws[group] = score.tally.values(resampled_sums(counts, seed=seed))["s_re"]
        s_re = percent(score.tally.values(counts.sum(axis=0))["s_re"])
        groups[group] = {"n": len(members[group]), "s_re": s_re, "ci95": percents(interval(draws[group]))}
    return {"groups": groups, "gap": _gap(groups, draws), "not_listed": len(score.samples) - len(named)}


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


def _gap(groups: dict[str, Any], draws: dict[str, Any]) -> dict[str, Any] | None:
    """Best minus worst group; the interval is of the difference of these two, so that it can hold 0."""
    ranked = sorted(
        (group for group, found in groups.items() if found["n"] >= FEWEST and found["s_re"] is not None),
        key=lambda group: groups[group]["s_re"],
    )
    if len(ranked) < 2:
        return None
    worst, best = ranked[0], ranked[-1]
    return {
        "best": best,
        "worst": worst,
        "s_re": groups[best]["s_re"] - groups[worst]["s_re"],
        "ci95": percents(interval(draws[best] - draws[worst])),
    }
