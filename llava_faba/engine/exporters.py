"""Training samples -> what is trained on: labels balanced, several files mixed by weight, and other trainers' layouts.

- `sharegpt`: {"conversations": [{"from", "value"}], "images"}, `<image>` in the text, as LLaMA-Factory reads it:
  https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
- `llava-hf`: {"messages": [{"role", "content": [{"type": "image"}, {"type": "text", "text"}]}], "images"}, as the chat
  templates of transformers' LLaVA and TRL's SFT trainer read it: https://huggingface.co/docs/trl/dataset_formats
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.data.fabainstruct import IMAGE_MARK, conversation_problems
from llava_faba.engine.readings import label_name, label_of, read_entries, task_of
from llava_faba.errors import InputError
from llava_faba.faces import sample_id
from llava_faba.files import write_json

Entry = dict[str, Any]
ROLES = {"human": "user", "gpt": "assistant"}


def to_sharegpt(entry: Entry) -> Entry:
    """Return a training sample in the layout `sharegpt`."""
    images = [entry["image"]] if entry.get("image") else []
    return {"id": sample_id(entry), "conversations": entry["conversations"], "images": images}


def to_llava_hf(entry: Entry) -> Entry:
    """Return a training sample in the layout `llava-hf`; a picture stands where its mark stood."""
    messages = []
    for turn in entry["conversations"]:
        before, mark, after = turn["value"].partition(IMAGE_MARK)
        text = f"{before.strip()}\n{after.strip()}".strip()
        picture, words = [{"type": "image"}] if mark else [], {"type": "text", "text": text}
        content = [words, *picture] if before.strip() and not after.strip() else [*picture, words]
        messages.append({"role": ROLES[turn["from"]], "content": content})
    images = [entry["image"]] if entry.get("image") else []
    return {"id": sample_id(entry), "messages": messages, "images": images}


LAYOUTS: dict[str, Callable[[Entry], Entry]] = {"sharegpt": to_sharegpt, "llava-hf": to_llava_hf}


def read_samples(path: Path) -> list[Entry]:
    """Read a training file; raises InputError for a sample whose conversation is not one."""
    entries = read_entries(path)
    for entry in entries:
        if problems := conversation_problems(entry.get("conversations"), "image" in entry):
            raise InputError(
                f"Sample {sample_id(entry)!r} of {path} {problems[0][1]}.",
                "What is exported are training samples.",
                f"Correct it; `llava-faba doctor {path}` lists every such sample.",
            )
    return entries


def export(entries: Sequence[Entry], layout: str, out: Path) -> Path:
    """Write training samples in another trainer's layout."""
    return write_json(out, [LAYOUTS[layout](entry) for entry in entries])


def balance(entries: Sequence[Entry], seed: int = 0) -> list[Entry]:
    """Return as many samples of each emotion as of the rarest, drawn by the seed; their order is kept.

    AUs come several a face, so AU samples are drawn with a chance of (rarest AU of the file / rarest AU of the sample),
    which lowers the common ones; those without an AU count as one more kind.
    """
    labels = [label_of(entry) for entry in entries]
    kinds = [_kinds(label) for label in labels]
    counts: dict[str, int] = {}
    for kind in (kind for sample in kinds for kind in sample):
        counts[kind] = counts.get(kind, 0) + 1
    rng = np.random.default_rng(seed)
    emotions = [kind for kind in counts if not kind.startswith("AU") and kind != "none"]
    least = min((counts[kind] for kind in emotions), default=0)
    least_au = min((count for kind, count in counts.items() if kind not in emotions), default=0)
    chosen: set[int] = set()
    for kind in emotions:
        places = [place for place, sample in enumerate(kinds) if kind in sample]
        chosen.update(int(places[k]) for k in rng.permutation(len(places))[:least])
    for place, sample in enumerate(kinds):
        if sample and sample[0] not in emotions:
            rarest = min(counts[kind] for kind in sample)
            if rng.random() < least_au / rarest:
                chosen.add(place)
    return [entry for place, entry in enumerate(entries) if place in chosen]


def mix(files: Sequence[tuple[Path, float]], seed: int = 0) -> list[Entry]:
    """Return the samples of training files, each file's as often as its weight says, in an order drawn anew.

    A weight of 1 takes each sample once, 2 twice, 0.5 half of them. A repeated sample gets an id of its own.
    """
    rng, mixed = np.random.default_rng(seed), []
    for path, weight in files:
        if not 0 < weight <= 100:
            raise InputError(f"The weight of {path} is {weight:g}.", "It is above 0 and up to 100.", "Give another.")
        entries = read_samples(path)
        whole, rest = divmod(weight, 1)
        taken = [place for _ in range(int(whole)) for place in range(len(entries))]
        taken += sorted(map(int, rng.permutation(len(entries))[: round(rest * len(entries))]))
        mixed += [entries[place] for place in taken]
    mixed = [mixed[place] for place in rng.permutation(len(mixed))]
    seen: dict[str, int] = {}
    out = []
    for entry in mixed:
        name = str(sample_id(entry))
        seen[name] = seen.get(name, 0) + 1
        out.append(entry if seen[name] == 1 else {**entry, "id": f"{name}#{seen[name]}"})
    return out


def summary(entries: Sequence[Entry]) -> dict[str, int]:
    """Return how many samples there are of each task and label, for a line to the user."""
    counts: dict[str, int] = {}
    for entry in entries:
        name = f"{task_of(entry)} {label_name(label_of(entry)) or 'undecided'}"
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def _kinds(label: Any) -> list[str]:
    if label is None:
        return []
    return [label] if isinstance(label, str) else [f"AU{au}" for au in label] or ["none"]
