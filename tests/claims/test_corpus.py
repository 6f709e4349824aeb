"""The reader against answers as vision-language models write them, labelled by hand."""

import pytest

from tests.claims.corpus import lines, measured

GOALS = {"au": 0.97, "emotion": 0.95, "evidence": 0.95}


def test_the_corpus_is_large_and_a_third_is_held_apart():
    built, held = lines("claims.jsonl"), lines("claims_heldout.jsonl")
    assert len(built) + len(held) >= 900 and len(held) >= 300
    assert not {one["text"] for one in built} & {one["text"] for one in held}
    for task in GOALS:
        assert sum(one["task"] == task for one in held) >= 90


@pytest.mark.parametrize("task", GOALS)
def test_what_the_reader_was_built_against_is_read(task):
    share, decisions, confusion = measured("claims.jsonl")[task]
    print(f"{task}: {100 * share:.1f} % of {decisions}; {dict(confusion)}")
    assert share >= 0.98


@pytest.mark.parametrize("task", GOALS)
def test_what_was_held_apart_is_read(task):
    share, decisions, confusion = measured("claims_heldout.jsonl")[task]
    print(f"{task}: {100 * share:.1f} % of {decisions}; {dict(confusion)}")
    assert share >= GOALS[task]
