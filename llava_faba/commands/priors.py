"""Read the facial prior of every picture in an annotation file once, and keep the vectors.

OUT gets `<id>.npy` (float32), `data.json` (DATA with `landmark` set to each file: train and describe with it),
`manifest.json` (which prior made them) and `unread.jsonl` (each sample without one, and why). A run that was stopped
or killed goes on when the same command is given again. Several machines share the work with --shard, or with what
torchrun, a Slurm array or an indexed job puts into the environment; whoever is last writes the lists.

examples:
  llava-faba priors train.json --image-root images --prior dlib_68 --out priors/train
  llava-faba priors train.json --image-root images --prior insightface_2d106 --model-file 2d106det.onnx --out p106
  llava-faba priors train.json --image-root images --prior dlib_68 --out priors/train --shard 0/4
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llava_faba.prior.store import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA.json", help="a FABA-Instruct file, training or evaluation")
    parser.add_argument("--image-root", help="the folder of the images (default: the folder of DATA)")
    parser.add_argument("--prior", required=True, help="a facial prior, or several joined by +: dlib_68, ...")
    parser.add_argument("--model-file", help="the prior's model file, where it needs one")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="the folder for the priors: new, or a run to go on with"
    )
    parser.add_argument(
        "--shard", metavar="I/N", help="do part I of N, counted from 0 (default: the scheduler's, or all)"
    )
    parser.add_argument("--workers", type=int, help="worker processes (default: one a core)")
    parser.add_argument(
        "--batch-size", type=int, default=16, help="pictures handed to a worker at a time (default: 16)"
    )
    parser.add_argument("--retry-unread", action="store_true", help="read those again that could not be read before")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="OUT", help="write the counts as JSON; - or nothing: stdout"
    )


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from llava_faba.errors import InputError
    from llava_faba.files import write_json
    from llava_faba.prior import build_prior
    from llava_faba.prior.extraction import available_cores
    from llava_faba.prior.store import PriorStore
    from llava_faba.shards import parse_shard

    workers = available_cores() if args.workers is None else args.workers
    for flag, value in (("--workers", workers), ("--batch-size", args.batch_size)):
        if not 1 <= value <= 1024:
            raise InputError(f"{flag} is {value}.", "It lies between 1 and 1024.", "Choose a value in between.")
    shard = parse_shard(args.shard)
    prior = build_prior(args.prior, args.model_file)
    store = PriorStore(args.data, args.image_root, prior, args.out)
    tqdm.monitor_interval = 0  # its thread would forbid to fork the workers
    with tqdm(total=len(shard.part(store.pictures)), desc=f"{prior.name} {shard}", unit="face") as bar:

        def show(progress: "Progress") -> None:
            if bar.n == 0 and progress.done:
                bar.initial = progress.done  # done before: not part of the rate
            bar.update(progress.done - bar.n)
            bar.set_postfix_str(f"{progress.done - progress.read} unread", refresh=False)

        progress = store.extract(shard, workers, args.batch_size, args.retry_unread, show)
        bar.update(progress.done - bar.n)
    unread = progress.done - progress.read
    print(
        f"{progress.read} of {progress.done} pictures read, {unread} without a prior"
        + (f" ({Path(args.out) / 'unread.jsonl'})" if unread and progress.finished else ""),
        file=sys.stderr,
    )
    if progress.finished:
        print(f"Wrote {Path(args.out) / 'data.json'}: use it in place of {args.data}.", file=sys.stderr)
    else:
        parts = ", ".join(f"{index}/{shard.count}" for index in progress.waiting)
        print(f"Shard {shard} is done; still to do: --shard {parts}.", file=sys.stderr)
    counts = {
        "prior": prior.name,
        "version": prior.version,
        "P": prior.dim,
        "shard": str(shard),
        "pictures": progress.done,
        "read": progress.read,
        "unread": unread,
        "finished": progress.finished,
    }
    if args.json == "-":
        print(json.dumps(counts, indent=1))
    elif args.json:
        write_json(args.json, counts)
    return 0
