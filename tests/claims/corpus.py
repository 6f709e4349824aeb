"""The corpus of answers labelled by hand (tests/data/claims*.jsonl), and how the reader's reading is held against it.

A line is `{"id", "task", "text"}` with `aus` (null: nothing is said), `emotion` (null: undecided), or `claims` (AUs of
which one is meant, present or not, some with `degree` and `side`) and `symmetry`. A part (claims_heldout.jsonl) was
labelled before the reader was run on it and is only measured: whoever changes the reader looks at the other file.
"""

import json
from collections import Counter
from pathlib import Path

from llava_faba.claims.movements import read_claims
from llava_faba.eval.strict import action_units, emotions

DATA = Path(__file__).parents[1] / "data"


def lines(name):
    """The samples of a file of the corpus."""
    with open(DATA / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def judged(sample):
    """How many decisions of a sample are right, how many there are, and what is wrong, as (expected, read) pairs."""
    if sample["task"] == "evidence":
        return _judged_claims(sample)
    if sample["task"] == "au":
        read, expected = action_units(sample["text"]).value, sample["aus"]
        read = None if read is None else list(read)
    else:
        named, expected = emotions(sample["text"]).value, sample["emotion"]
        read = named[0] if named and len(named) == 1 else None
    return int(read == expected), 1, [] if read == expected else [(str(expected), str(read))]


def _judged_claims(sample):
    """Each claim of the label and each that was read besides is one decision."""
    read = read_claims(sample["text"])
    right, wrong, met = 0, [], set()
    for label in sample["claims"]:
        hits = [c for c in read if c.symmetric is None and set(c.aus) & set(label["aus"])]
        met |= {id(c) for c in hits}
        hits = [c for c in hits if c.aus[0] in label["aus"]] or hits  # "the jaw has not dropped" is no parted lips
        if "side" in label:
            hits = [c for c in hits if c.side == label["side"]]
        said = (label["present"], label.get("degree"))
        found = [(c.present, c.degree if "degree" in label else None) for c in hits]
        if found and all(one == said for one in found):
            right += 1
        else:
            wrong.append((f"{label['aus']} {_told(said)}", ", ".join(map(_told, found)) or "not read"))
    for label in sample["symmetry"]:
        hits = [c for c in read if c.symmetric is not None and c.part == label["part"]]
        met |= {id(c) for c in hits}
        if hits and all(c.symmetric == label["symmetric"] for c in hits):
            right += 1
        else:
            wrong.append(
                (f"{label['part']} {label['symmetric']}", ", ".join(str(c.symmetric) for c in hits) or "not read")
            )
    extra = [c for c in read if id(c) not in met]
    wrong += [("nothing", f"{c.aus or c.part} {c.present}") for c in extra]
    return right, right + len(wrong), wrong


def _told(said):
    return " ".join(str(one) for one in said if one is not None)


def measured(name):
    """Task -> (share right, decisions, confusion as {(expected, read): count})."""
    right, total, confusion = Counter(), Counter(), {}
    for sample in lines(name):
        good, all_of_it, wrong = judged(sample)
        right[sample["task"]] += good
        total[sample["task"]] += all_of_it
        confusion.setdefault(sample["task"], Counter()).update(wrong)
    return {task: (right[task] / total[task], total[task], confusion[task]) for task in total}
