"""Metrics against scikit-learn, and where they are undefined; the hand-worked examples in the docstrings hold."""

import doctest

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from llava_faba.eval import metrics


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(metrics).attempted >= 6
    assert doctest.testmod(metrics).failed == 0


@pytest.fixture
def multilabel():
    rng = np.random.default_rng(3)
    return rng.random((60, 12)) < 0.3, rng.random((60, 12)) < 0.4


def counts(labels, found):
    return (labels & found).sum(0), (~labels & found).sum(0), (labels & ~found).sum(0), (~labels & ~found).sum(0)


def test_f1_is_scikit_learns(multilabel):
    tp, fp, fn, tn = counts(*multilabel)
    assert np.allclose(metrics.f1(tp, fp, fn), f1_score(*multilabel, average=None))
    assert metrics.micro_f1(tp, fp, fn) == pytest.approx(f1_score(*multilabel, average="micro"))
    assert np.allclose(metrics.released_f1(tp, fp, fn, tn), f1_score(*multilabel, average=None))


def test_a_class_that_never_occurs_has_no_f1():
    assert np.isnan(metrics.f1(0, 3, 0))
    assert metrics.released_f1(0, 3, 0, 7) == 0


def test_the_released_mean_drops_an_au_on_which_all_samples_agree():
    """Also a perfect one: the confusion matrix of one value is 1 x 1, and the released code cannot index it."""
    with pytest.warns(UserWarning, match="single label"):
        assert confusion_matrix([1, 1], [1, 1]).shape == (1, 1)
    assert np.isnan(metrics.released_f1(2, 0, 0, 0))
    assert np.isnan(metrics.released_f1(0, 0, 0, 2))


def test_one_against_rest_counts_what_was_not_recognised_as_missed():
    labels, found = [0, 0, 1, 2], [0, 3, 0, 2]  # 3: nothing recognised
    matrix = confusion_matrix(labels, found, labels=range(4))[:3]
    tp, fp, fn = metrics.one_against_rest(matrix)
    assert (tp.tolist(), fp.tolist(), fn.tolist()) == ([1, 0, 1], [1, 0, 0], [1, 1, 0])


def test_one_call_serves_many_resamples(multilabel):
    tp, fp, fn, _ = counts(*multilabel)
    stacked = metrics.f1(np.stack([tp, tp * 2]), np.stack([fp, fp * 2]), np.stack([fn, fn * 2]))
    assert stacked.shape == (2, 12)
    assert np.allclose(stacked[0], stacked[1])
