"""Do the intervals of `llava-faba score` cover, and does its test of groups hold its level? Simulated answers say.

Each case draws test sets from a known population, scores them as the command does, and counts how often the 95 %
interval holds the population's own value, or how often the interval of the gap between identical groups excludes 0.

  python scripts/benchmarks/coverage.py [--runs 400] [--json OUT.json]
"""

import argparse
import json
import sys
import time

import numpy as np

from llava_faba.eval.answers import Answer
from llava_faba.eval.bench import Score, _summed
from llava_faba.eval.comparisons import add_paired
from llava_faba.eval.groups import add_groups
from llava_faba.eval.labels import dataset_named
from llava_faba.eval.samples import Likeness, Sample, Tally
from llava_faba.vocabulary import EMOTIONS

FABA = dataset_named("faba")
RATES = dict(zip(FABA.scored_aus, (0.3, 0.2, 0.35, 0.15, 0.4, 0.1, 0.45, 0.2, 0.1, 0.5, 0.25, 2 / 325), strict=True))
SENSITIVITY, FALSE_ALARMS = 0.7, 0.1  # of the common AUs
RARE_SENSITIVITY, RARE_FALSE_ALARMS = 0.5, 2 / 325  # of AU43


def sample(number, task, label, found, subject=None):
    """A scored sample without its texts."""
    answer = Answer(f"{number:06}", f"{number}.jpg", task, "", "", "", "", "", subject=subject)
    return Sample(answer, label, found, "decided", "", Likeness(0.5, 0.5, 0.5))


def scored(task, samples, rules="strict"):
    """The score of these samples, with its intervals."""
    return _summed([Score(Tally(task, rules, FABA), samples)])[0]


def of_aus(present, found, subjects=None):
    """Samples from matrices (n, 12) of labels and answers."""
    aus = np.array(FABA.scored_aus)
    return [
        sample(n, "au", tuple(aus[p].tolist()), tuple(aus[f].tolist()), None if subjects is None else str(subjects[n]))
        for n, (p, f) in enumerate(zip(present, found, strict=True))
    ]


def f1_of(rate, sensitivity, false_alarms):
    """A population's F1."""
    tp, fn, fp = rate * sensitivity, rate * (1 - sensitivity), (1 - rate) * false_alarms
    return 2 * tp / (2 * tp + fp + fn)


def rare_au(rng, fixed):
    """325 samples of which about (or exactly) two show AU43: do S_re and AU43's F1 cover?"""
    rates = np.array(list(RATES.values()))
    present = rng.random((325, 12)) < rates
    if fixed:
        present[:, 11] = np.arange(325) < 2
    sensitivity = np.append(np.full(11, SENSITIVITY), RARE_SENSITIVITY)
    false_alarms = np.append(np.full(11, FALSE_ALARMS), RARE_FALSE_ALARMS)
    found = rng.random((325, 12)) < np.where(present, sensitivity, false_alarms)
    score = scored("au", of_aus(present, found))
    truth = f1_of(rates, sensitivity, false_alarms)
    counted = present.any(axis=0)  # the AU set is that of the test set
    held = {"S_re": holds(score.ci95["s_re"], truth[counted].mean())}
    if counted[11]:
        held["F1 of AU43"] = holds(score.ci95["f1"][11], truth[11])
    return held


def subjects(rng, spread=0.8):
    """27 subjects of 200 frames each, who differ in how often an AU is there and how well it is read."""
    who = np.repeat(np.arange(27), 200)
    rate, sensitivity, false_alarms = subject_traits(rng, 27, spread)
    present = rng.random((5400, 12)) < rate[who]
    found = rng.random((5400, 12)) < np.where(present, sensitivity[who], false_alarms[who])
    score = scored("au", of_aus(present, found, who))
    return {
        "F1 of AU12": holds(score.ci95["f1"][6], SUBJECT_TRUTH[6]),
        "S_re": holds(score.ci95["s_re"], SUBJECT_TRUTH.mean()),
    }


def subject_traits(rng, count, spread):
    """Rate, sensitivity and false alarms of each subject and AU (count, 12), normal on the logit scale."""

    def logistic(mean):
        shift = rng.normal(0, spread, (count, 12))
        return 1 / (1 + np.exp(-(np.log(mean / (1 - mean)) + shift)))

    common = np.array([*list(RATES.values())[:11], 0.1])
    return logistic(common), logistic(np.full(12, SENSITIVITY)), logistic(np.full(12, FALSE_ALARMS))


def subject_truth(spread=0.8):
    """F1 of the population that `subjects` draws from (12,)."""
    rate, sensitivity, false_alarms = subject_traits(np.random.default_rng(99), 100_000, spread)
    tp, positives, alarms = (rate * sensitivity).mean(0), rate.mean(0), ((1 - rate) * false_alarms).mean(0)
    return 2 * tp / (tp + positives + alarms)


def identical_groups(rng, count, task, n=325, with_subjects=False):
    """Samples whose group means nothing: does the interval of the gap exclude 0?"""
    who = np.arange(n) // 5 if with_subjects else None
    if task == "emotion":
        label = rng.integers(0, 7, n)
        right = rng.random(n) < (rng.beta(3, 2, n)[who] if with_subjects else 0.6)
        found = np.where(right, label, (label + rng.integers(1, 7, n)) % 7)
        samples = [
            sample(k, task, EMOTIONS[label[k]], EMOTIONS[found[k]], None if who is None else str(who[k]))
            for k in range(n)
        ]
    else:
        present = rng.random((n, 12)) < np.array(list(RATES.values()))
        samples = of_aus(present, rng.random((n, 12)) < np.where(present, SENSITIVITY, FALSE_ALARMS), who)
    score = scored(task, samples)
    group = rng.integers(0, count, n)
    if with_subjects:
        group = group[who]
    add_groups([score], "id", {f"{k:06}": {"group": f"g{group[k]}"} for k in range(n)})
    gap = score.extra["groups"]["group"]["gap"]
    return {"excludes 0": gap is not None and gap["ci95"][0] > 0}


def equal_models(rng):
    """Two equally good models on 27 subjects: does the interval of the paired difference hold 0?"""
    who = np.repeat(np.arange(27), 40)
    rate, sensitivity, false_alarms = subject_traits(rng, 27, 0.8)
    present = rng.random((len(who), 12)) < rate[who]
    pair = []
    for _ in range(2):
        shift = rng.normal(0, 0.1, (27, 12))
        chance = np.clip(np.where(present, sensitivity[who], false_alarms[who]) + shift[who], 0, 1)
        pair.append(scored("au", of_aus(present, rng.random(present.shape) < chance, who)))
    add_paired(pair[:1], pair[1:], "other")
    return {"holds 0": holds(pair[0].extra["paired"]["ci95"]["s_re"], 0)}


def accuracy(rng, n=60):
    """Sixty samples of which 97 % are right in the population."""
    right = rng.random(n) < 0.97
    samples = [sample(k, "emotion", "Fear", "Fear" if ok else "Anger") for k, ok in enumerate(right)]
    return {"S_re": holds(scored("emotion", samples).ci95["s_re"], 0.97)}


def holds(bounds, value):
    """Whether an interval holds a value."""
    return bool(bounds[0] <= value <= bounds[1])


CASES = {
    "rare AU, two positives in 325 on average": lambda rng: rare_au(rng, fixed=False),
    "rare AU, exactly two positives in 325": lambda rng: rare_au(rng, fixed=True),
    "27 subjects x 200 frames": subjects,
    "accuracy 97 % of 60": accuracy,
    "two equal models, 27 subjects": equal_models,
    **{
        f"{count} identical groups, {task}": lambda rng, count=count, task=task: identical_groups(rng, count, task)
        for count in (4, 7, 10)
        for task in ("emotion", "au")
    },
    "7 identical groups of 65 subjects, emotion": lambda rng: identical_groups(rng, 7, "emotion", with_subjects=True),
}
SUBJECT_TRUTH = subject_truth()


def main():
    """Run the cases and print the shares in percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--only", help="cases whose name holds this")
    parser.add_argument("--json", help="where the shares go")
    args = parser.parse_args()
    shares = {}
    for name, case in CASES.items():
        if args.only and args.only not in name:
            continue
        rng, begun = np.random.default_rng(7), time.time()
        held = [case(rng) for _ in range(args.runs)]
        for what in sorted({key for one in held for key in one}):
            values = [one[what] for one in held if what in one]
            shares[f"{name}: {what}"] = 100 * float(np.mean(values))
            print(f"{name}: {what} {shares[f'{name}: {what}']:.1f} % of {len(values)}", flush=True)
        print(f"  ({time.time() - begun:.0f} s)", file=sys.stderr)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(shares, file, indent=1)


if __name__ == "__main__":
    main()
