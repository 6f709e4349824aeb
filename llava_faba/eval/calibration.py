"""Held-out answers with probabilities -> the temperature that makes the probabilities mean what they say.

Logarithms are divided by one number per task (Guo et al. 2017, arXiv 1706.04599, section 4.2), here the one with the
least Brier score: which label is the most probable does not change. It is stored beside the model's config.json, and
`describe --probabilities` applies it. The error after the fit is measured on samples that were not fitted on: each half
is judged by the other half's temperature.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.errors import InputError
from llava_faba.eval.bench import Score, percent, subjects_of
from llava_faba.eval.probabilities import confidence_error, read_probabilities
from llava_faba.eval.samples import Array, Tally
from llava_faba.files import read_json, write_json
from llava_faba.vocabulary import CALIBRATION

FEWEST = 20  # answers that a temperature is fitted on
LIMITS = (0.05, 20.0)  # of a temperature
_TINY = 1e-6


def calibrate(scores: Sequence[Score], answers: Path | str, model: Path | str | None = None) -> dict[str, Any]:
    """Fit each task's temperature on these answers, and write it beside the config of the model that gave them.

    The model is the one in the record beside `answers`, or `model`. Returns {task: {"temperature", "method", "n",
    "error_before", "error_after"}}, errors in percent. Raises InputError without a record, a model folder, or enough
    answers that carry probabilities.
    """
    record = read_json(f"{answers}.run.json", "run record of the answers")
    folder = Path(model or record.get("model", ""))
    if not (folder / "config.json").is_file() and not (folder / "adapter_config.json").is_file():
        raise InputError(
            f"The model of these answers, {folder}, is no model folder here.",
            "A temperature is kept beside the model's config.json.",
            "Score where the model is, or copy it here under the same path.",
        )
    place = folder / CALIBRATION
    fitted = read_json(place, "calibration") if place.is_file() else {}
    method = "samples" if record.get("samples") else "words"
    found = {}
    for score in {score.task: score for score in scores}.values():
        carrying = [sample for sample in score.ordered() if sample.answer.probabilities is not None]
        if len(carrying) < FEWEST:
            raise InputError(
                f"{len(carrying)} answers of the task {score.task} carry probabilities.",
                f"A temperature is fitted on {FEWEST} or more, of samples that the model was not trained on.",
                "Describe held-out data with --probabilities.",
            )
        applied = (record.get("calibration") or {}).get(score.task) or 1.0
        names = subjects_of(carrying) or [sample.id for sample in carrying]
        probability, present = read_probabilities(score.tally, carrying)
        half = np.unique(np.asarray(names), return_inverse=True)[1] % 2 == 0  # a subject is in one half
        after = np.empty_like(probability)
        for fit, judged in ((half, ~half), (~half, half)):
            temperature = fit_temperature(score.tally, probability[fit], present[fit]) if fit.any() else 1.0
            after[judged] = tempered(score.tally, probability[judged], temperature)
        found[score.task] = {
            "temperature": round(applied * fit_temperature(score.tally, probability, present), 4),
            "method": method,
            "n": len(carrying),
            "error_before": percent(confidence_error(score.tally, probability, present)),
            "error_after": percent(confidence_error(score.tally, after, present)),
        }
    write_json(place, {**fitted, **found})
    return {"file": str(place), **found}


def fit_temperature(tally: Tally, probability: Array, present: Array) -> float:
    """Return the temperature with the least Brier score: under log loss one sure error would decide it."""
    from scipy.optimize import minimize_scalar

    def brier(log_temperature: float) -> float:
        away = tempered(tally, probability, float(np.exp(log_temperature))) - present
        return float(np.square(away).sum())

    return float(np.exp(minimize_scalar(brier, bounds=tuple(np.log(LIMITS)), method="bounded").x))


def tempered(tally: Tally, probability: Array, temperature: float) -> Array:
    """Divide the logarithms by the temperature: over the emotions, or for each AU against its absence."""
    powers = np.power(np.clip(probability, _TINY, 1), 1 / temperature)
    if tally.task == "emotion":
        return powers / powers.sum(axis=1, keepdims=True)
    return powers / (powers + np.power(np.clip(1 - probability, _TINY, 1), 1 / temperature))
