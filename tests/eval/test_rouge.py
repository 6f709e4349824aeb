"""ROUGE-L is the `rouge` package's, to the last bit, also where several subsequences are equally long."""

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge import Rouge

from llava_faba.eval.rouge import rouge_l

PACKAGE = Rouge(metrics=["rouge-l"])
# Few distinct words make ties, and ties are where the back-trace matters; blanks between full stops make empty words.
TEXTS = st.lists(
    st.one_of(st.sampled_from(["a", "b", "c", "AU4", "."]), st.sampled_from([".", " ", "\n", "a."])), max_size=60
).flatmap(lambda words: st.sampled_from([" ", "  "]).map(lambda blank: blank.join(words)))


def package(answer, reference):
    try:
        return PACKAGE.get_scores(answer, reference, avg=True)["rouge-l"]["f"]
    except ValueError:
        return None


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(answer=TEXTS, reference=TEXTS)
def test_it_equals_the_package_on_random_texts(answer, reference):
    assert rouge_l(answer, reference) == package(answer, reference)


@pytest.mark.parametrize("text", ["", ".", "...", "...."])
def test_a_text_without_words_has_no_value(text):
    assert rouge_l(text, "A face.") is None
    assert rouge_l("A face.", text) is None


def test_an_answer_equal_to_its_reference_scores_one():
    text = "The brow is lowered (AU4). The lips are pressed together. "
    assert rouge_l(text, text) == pytest.approx(1, abs=1e-8)


def numbered(start, count):
    return " ".join(f"w{k}" for k in range(start, start + count))


def test_sentences_longer_than_a_block_of_rows_equal_the_package():
    sys.setrecursionlimit(20000)
    try:
        reference = f"{numbered(0, 600)} x {numbered(300, 600)}. {numbered(100, 50)}"
        answer = f"{numbered(500, 100)} y {numbered(0, 150)} {numbered(550, 50)}. {numbered(800, 90)}"
        assert rouge_l(answer, reference) == package(answer, reference)
    finally:
        sys.setrecursionlimit(1000)


def test_five_thousand_words_without_a_full_stop_give_a_value():
    reference, answer = numbered(0, 5000), numbered(2500, 5000)
    with pytest.raises(RecursionError):
        package(" ".join(answer.split()[:1000]), " ".join(reference.split()[:300]))
    value = rouge_l(answer, reference)
    assert value == pytest.approx(0.5, abs=1e-6)


@pytest.mark.trust
def test_a_megabyte_against_a_megabyte_ends():
    start = time.process_time()
    value = rouge_l("lips part " * 100_000, "the lips part " * 70_000)
    assert value is not None
    assert time.process_time() - start < 60
