#!/usr/bin/env python
"""What training gains from one file of priors, batches of like length and fused AdamW, and how long it waits for data.

Ratios within one run; both ways take turns. Everything is made here: random weights, noise as pictures, answers as long
as FABA-Instruct's (50 words about emotions, 207 about AUs, spread by a third). Each pair must give the same: the same
priors, the same loss of each sample in float32 whatever stands beside it, the same weights after each step within 1e-6;
in bfloat16 a sample's loss within about one rounding.

    python scripts/benchmarks/training.py
    python scripts/benchmarks/training.py --faces 100000 --json training.json
"""

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import keep, row
from PIL import Image

from llava_faba.faces import FaceSample
from llava_faba.host import compat
from llava_faba.prior.gather import gather_priors
from llava_faba.prior.precomputed import Precomputed
from llava_faba.prior.table import TABLE, write_table

P = 136
WORDS = ("the", "brows", "are", "drawn", "together", "and", "lip", "corners", "raised", "her", "eyes", "narrowed")
QUESTION = "What emotions are conveyed by this face?\n<image>"


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def read_priors(root: Path, faces: int) -> dict[str, float]:
    """Seconds to read the stored priors of a data set at a run's start: a file a sample, and one file."""
    vectors = np.random.default_rng(0).normal(size=(faces, P)).astype(np.float32)
    for number, vector in enumerate(vectors):
        place = root / f"{number // 1000}"
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / f"{number}.npy", vector)
    write_table(root / TABLE, vectors, faces, P)
    ways = {
        "files": [root / f"{number // 1000}" / f"{number}.npy" for number in range(faces)],
        "table": [Path(f"{root / TABLE}#{number}") for number in range(faces)],
    }
    taken: dict[str, list[float]] = {"files": [], "table": []}
    for _ in range(3):
        for way, paths in ways.items():
            samples = [FaceSample(str(n), f"{n}.png", root, prior_path=path) for n, path in enumerate(paths)]
            spent, (found, _) = seconds(lambda samples=samples: gather_priors(samples, Precomputed(size=P)))
            assert (found == vectors).all(), "the stored vectors are not what was written"
            taken[way].append(spent)
    files, table = (statistics.median(taken[way]) for way in ("files", "table"))
    return {"faces": faces, "files_s": files, "table_s": table, "times_as_fast": files / table}


def make_dataset(root: Path, samples: int, hidden: int) -> tuple[Any, Any, Any]:
    """A model with random weights, its data set of faces and its collator."""
    from llava import conversation
    from llava.train.train import DataArguments

    from llava_faba.model.checkpoint import load
    from llava_faba.model.tiny import TinySize, make_tiny_llava
    from llava_faba.train.dataset import make_supervised_data_module

    random = np.random.default_rng(0)
    entries = []
    for number in range(samples):
        pixels = random.integers(0, 255, (160, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.jpg")
        length = max(5, int(random.normal(1, 1 / 3) * (50, 207)[number % 2]))
        turns = [QUESTION, " ".join(random.choice(WORDS, length))]
        conversations = [{"from": ("human", "gpt")[place], "value": text} for place, text in enumerate(turns)]
        entries.append({"id": str(number), "image": f"{number}.jpg", "conversations": conversations})
    (root / "train.json").write_text(json.dumps(entries))
    texts = [" ".join(WORDS)] * 8 + [QUESTION, "USER: ASSISTANT: "] * 8
    base = make_tiny_llava(root / "llava-tiny", texts, size=TinySize(hidden=hidden, layers=4, heads=4, image_size=112))
    tokenizer, model, processor, _ = load(base)
    conversation.default_conversation = conversation.conv_templates["v1"]
    tokenizer.pad_token, tokenizer.padding_side, tokenizer.model_max_length = tokenizer.unk_token, "right", 2048
    model.config.tokenizer_padding_side = "right"
    arguments = DataArguments(data_path=str(root / "train.json"), image_folder=str(root))
    arguments.is_multimodal, arguments.mm_use_im_start_end, arguments.image_processor = True, False, processor
    arguments.image_aspect_ratio = "pad"
    module = make_supervised_data_module(tokenizer, arguments)
    return model, module["train_dataset"], module["data_collator"]


def batch_by_length(model: Any, dataset: Any, collate: Any, batch: int) -> dict[str, float]:
    """A step's time and the padding in it, in LLaVA's order on one GPU and in one by length; each sample's loss."""
    from llava.train.llava_trainer import LengthGroupedSampler

    from llava_faba.train.order import LikeLengths

    torch.manual_seed(0)
    llavas = LengthGroupedSampler(batch, 1, dataset.modality_lengths, group_by_modality=True)
    orders = {"llava": list(llavas), "by_length": list(LikeLengths(dataset.modality_lengths, batch, 50))}
    spent = {name: [] for name in orders}
    padded, held = dict.fromkeys(orders, 0), dict.fromkeys(orders, 0)
    losses: dict[str, dict[int, float]] = {name: {} for name in orders}
    for start in range(0, len(dataset) - batch + 1, batch):
        for name, order in orders.items():
            places = order[start : start + batch]
            inputs = collate([dataset[place] for place in places])
            padded[name] += inputs["input_ids"].numel()
            held[name] += int(inputs["attention_mask"].sum())
            taken, output = seconds(lambda inputs=inputs: step(model, inputs))
            spent[name].append(taken)
            losses[name] |= dict(zip(places, output, strict=True))
    shared = losses["llava"].keys() & losses["by_length"].keys()
    return {
        "batch": batch,
        "padding_llava": 1 - held["llava"] / padded["llava"],
        "padding_by_length": 1 - held["by_length"] / padded["by_length"],
        "step_time_ratio": sum(spent["by_length"]) / sum(spent["llava"]),
        "largest_difference_of_a_samples_loss": max(abs(losses["llava"][n] - losses["by_length"][n]) for n in shared),
    }


def step(model: Any, inputs: dict[str, Any]) -> list[float]:
    """Forward and backward; return each sample's mean loss."""
    model.zero_grad(set_to_none=True)
    prepared = model.prepare_inputs_labels_for_multimodal(
        inputs["input_ids"], None, inputs["attention_mask"], None, inputs["labels"], inputs["images"]
    )
    logits = model(inputs_embeds=prepared[4], attention_mask=prepared[2], position_ids=prepared[1]).logits[:, :-1]
    labels = prepared[5][:, 1:]
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
    each = each.sum(1) / (labels != -100).sum(1)
    each.mean().backward()
    return each.tolist()


def wait_for_data(model: Any, dataset: Any, collate: Any, batch: int, workers: Sequence[int]) -> dict[str, float]:
    """The share of a loop's time that is spent waiting for the next batch, after the first."""
    shares = {}
    for count in workers:
        loader = torch.utils.data.DataLoader(dataset, batch, collate_fn=collate, num_workers=count)
        waited = worked = 0.0
        batches = iter(loader)
        next(batches)
        for _ in range(len(loader) - 1):
            taken, inputs = seconds(lambda batches=batches: next(batches))
            waited += taken
            worked += seconds(lambda inputs=inputs: step(model, inputs))[0]
        shares[f"waiting_with_{count}_workers"] = waited / (waited + worked)
    return shares


def fuse_adamw(model: Any, steps: int) -> dict[str, float]:
    """The optimiser's step, fused as a multiple of plain, on the same gradients; how far the weights come apart."""
    models = {name: copy.deepcopy(model) for name in ("plain", "fused")}
    optimisers = {
        name: torch.optim.AdamW(own.parameters(), lr=1e-4, foreach=False, fused=name == "fused")
        for name, own in models.items()
    }
    spent: dict[str, list[float]] = {name: [] for name in models}
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        for pair in zip(*(own.parameters() for own in models.values()), strict=True):
            gradient = torch.randn(pair[0].shape, generator=generator) * 1e-3
            for parameter in pair:
                parameter.grad = gradient.clone()
        for name, optimiser in optimisers.items():
            spent[name].append(seconds(optimiser.step)[0])
    apart = max(
        float((one - other).abs().max().detach())
        for one, other in zip(*(own.parameters() for own in models.values()), strict=True)
    )
    return {
        "weights": sum(parameter.numel() for parameter in model.parameters()),
        "step_time_ratio": statistics.median(spent["fused"]) / statistics.median(spent["plain"]),
        "largest_difference_of_a_weight": apart,
    }


def in_bfloat16(model: Any, dataset: Any, collate: Any, batch: int) -> dict[str, float]:
    """A step in bfloat16 beside float32: the time, and how far each sample's loss lies off, as a share of it."""
    narrow = copy.deepcopy(model).to(torch.bfloat16)
    spent: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    off = []
    for start in range(0, len(dataset) - batch + 1, batch):
        inputs = collate([dataset[place] for place in range(start, start + batch)])
        taken, wide = seconds(lambda inputs=inputs: step(model, inputs))
        spent["float32"].append(taken)
        images = inputs["images"].to(torch.bfloat16)
        taken, short = seconds(lambda inputs=inputs, images=images: step(narrow, {**inputs, "images": images}))
        spent["bfloat16"].append(taken)
        off += [abs(one / other - 1) for one, other in zip(short, wide, strict=True)]
    return {
        "step_time_ratio": statistics.median(spent["bfloat16"]) / statistics.median(spent["float32"]),
        "largest_share_off": max(off),
        "mean_share_off": statistics.mean(off),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=20_000, help="stored priors that are read (default: 20000)")
    parser.add_argument("--samples", type=int, default=128, help="samples that are trained on (default: 128)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=128, help="width of the model (default: 128)")
    parser.add_argument("--json", metavar="OUT", help="write the figures as JSON")
    args = parser.parse_args()
    compat.apply(training=True)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        (root / "priors").mkdir()
        priors = read_priors(root / "priors", args.faces)
        model, dataset, collate = make_dataset(root, args.samples, args.hidden)
        by_length = batch_by_length(model, dataset, collate, args.batch)
        waiting = wait_for_data(model, dataset, collate, args.batch, (0, 2))
        adamw = fuse_adamw(model, 20)
        narrow = in_bfloat16(model, dataset, collate, args.batch)
    rows = [
        row(
            f"{args.faces:,} stored priors read from one file, beside a file a sample",
            f"{priors['times_as_fast']:.1f} x; {priors['table_s']:.1f} s",
            priors["times_as_fast"],
        ),
        row(
            f"a step on {args.batch} samples of like length, 64 visual tokens, beside LLaVA's order on one GPU",
            f"{by_length['step_time_ratio']:.2f} of the time, {100 * by_length['padding_by_length']:.0f} % of the text "
            f"is padding instead of {100 * by_length['padding_llava']:.0f} %; the same loss of each sample within "
            f"{by_length['largest_difference_of_a_samples_loss']:.0e}",
            by_length["step_time_ratio"],
        ),
        row(
            "waiting for data, 2 workers, stored pictures of 160 px",
            f"{100 * waiting['waiting_with_2_workers']:.1f} % of the time; "
            f"{100 * waiting['waiting_with_0_workers']:.0f} % without workers",
            waiting["waiting_with_2_workers"],
        ),
        row(
            f"fused AdamW, {adamw['weights'] / 1e6:.1f} M weights, beside plain (one tensor after another)",
            f"{adamw['step_time_ratio']:.2f} of the time; weights within {adamw['largest_difference_of_a_weight']:.0e}",
            adamw["step_time_ratio"],
        ),
        row(
            "a step in bfloat16, beside float32",
            f"{narrow['step_time_ratio']:.2f} of the time; a sample's loss within "
            f"{100 * narrow['largest_share_off']:.2f} %, {100 * narrow['mean_share_off']:.2f} % on average "
            "(one rounding is 0.39 %)",
            narrow["step_time_ratio"],
        ),
    ]
    keep(args.json, rows, priors=priors, by_length=by_length, waiting=waiting, adamw=adamw, bfloat16=narrow)


if __name__ == "__main__":
    main()
