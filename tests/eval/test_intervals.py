"""Intervals are scipy's percentile bootstrap in distribution, need little memory, and cover what they should."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from llava_faba.eval.metrics import interval, resampled_sums


def test_the_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(1).random(200)
    sums = resampled_sums(np.stack([values, np.ones(200)], axis=1), resamples=4000)
    ours = interval(sums[:, 0] / sums[:, 1])
    theirs = bootstrap((values,), np.mean, n_resamples=4000, method="percentile", random_state=2).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.004)


def test_every_resample_draws_n_samples():
    sums = resampled_sums(np.ones((37, 1)), resamples=250)
    assert sums.shape == (250, 1)
    assert (sums == 37).all()


def test_the_same_seed_gives_the_same_draws():
    columns = np.random.default_rng(0).random((50, 3))
    assert (resampled_sums(columns) == resampled_sums(columns)).all()
    assert (resampled_sums(columns, seed=1) != resampled_sums(columns)).any()


def test_an_interval_of_what_is_never_defined_is_undefined():
    assert np.isnan(interval(np.array([np.nan, np.nan]))).all()
    assert interval(np.array([np.nan, 0.5])) == (0.5, 0.5)
