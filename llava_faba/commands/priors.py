"""Read the facial prior of every picture in an annotation file once, and keep the vectors.

OUT gets `<id>.npy` (float32), `data.json` (DATA with `landmark` set to each file: train and describe with it),
`manifest.json` (which prior made them) and `unread.jsonl` (each sample without one, and why). A run that was stopped
or killed goes on when the same command is given again. Several machines share the work with --shard, or with what
torchrun, a Slurm array or an indexed job puts into the environment; whoever is last writes the lists. --engine ray
has the faces read by the actors of a Ray cluster.

With --one-file the vectors end in priors.npy, (n, P), and `landmark` is priors.npy#ROW: a training run on 100,000 faces
then starts without opening as many files. Only llava-faba reads that; other tools, EmoLA's too, want a file a sample.

--report draws mean and spread of every number of the prior over the data set: it shows at a glance a prior that is
nearly the same for every face. --preview FACE.jpg needs no DATA: it draws what each prior reads in one face.

examples:
  llava-faba priors train.json --image-root images --prior dlib_68 --out priors/train
  llava-faba priors train.json --image-root images --prior insightface_2d106 --model-file 2d106det.onnx --out p106
  llava-faba priors train.json --image-root images --prior dlib_68 --out priors/train --shard 0/4
  llava-faba priors train.json --image-root images --prior dlib_68 --out priors/train --engine ray --address auto
  llava-faba priors train.json --image-root images --prior dlib_68 --out priors/train --one-file
  llava-faba priors train.json --prior emola_2d106+insightface_2d106 --out both --report both.png
  llava-faba priors --preview face.jpg --out preview.png
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llava_faba.commands.engines import add_engine, chosen_engine
from llava_faba.errors import InputError

if TYPE_CHECKING:
    from llava_faba.prior.store import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", metavar="DATA.json", nargs="?", help="a FABA-Instruct file, training or evaluation")
    add("--image-root", help="the folder of the images (default: the folder of DATA)")
    add("--prior", help="a facial prior, or several joined by +; with --preview: all that can be used here")
    add("--model-file", help="the prior's model file, where it needs one")
    add("--out", metavar="DIR", help="the folder for the priors: new, or a run to go on with; with --preview: a .png")
    add("--shard", metavar="I/N", help="do part I of N, counted from 0 (default: the scheduler's, or everything)")
    add("--workers", type=int, help="worker processes (default: one a core)")
    add("--batch-size", type=int, default=16, help="pictures handed to a worker at a time (default: 16)")
    add_engine(parser)
    add("--one-file", action="store_true", help="keep all vectors in one file, priors.npy, not in one a sample")
    add("--retry-unread", action="store_true", help="read those again that could not be read before")
    add("--store-identity", action="store_true", help="allow to store a prior that tells people apart")
    add(
        "--report",
        nargs="?",
        const="",
        metavar="PNG",
        help="draw mean and spread when all is read (default: OUT/report.png)",
    )
    add("--preview", metavar="FACE", help="draw what each prior reads in this photo")
    add("--json", nargs="?", const="-", metavar="OUT", help="write the counts as JSON; - or nothing: stdout")


def run(args: argparse.Namespace) -> int:
    wanted = {"--out": args.out} if args.preview else {"DATA.json": args.data, "--prior": args.prior, "--out": args.out}
    if missing := [name for name, value in wanted.items() if not value]:
        raise InputError(
            f"{', '.join(missing)} is not given.",
            "Reading a data set takes DATA.json, --prior and --out; --preview FACE takes --out.",
            "See the examples: llava-faba priors --help",
        )
    counts = _preview(args) if args.preview else _extract(args)
    if args.json == "-":
        print(json.dumps(counts, indent=1))
    elif args.json:
        from llava_faba.files import write_json

        write_json(args.json, counts)
    return 0


def _extract(args: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from llava_faba.prior import build_prior
    from llava_faba.prior.store import PriorStore
    from llava_faba.processes import available_cores, parse_shard

    workers = available_cores() if args.workers is None else args.workers
    for flag, value in (("--workers", workers), ("--batch-size", args.batch_size)):
        if not 1 <= value <= 1024:
            raise InputError(f"{flag} is {value}.", "It lies between 1 and 1024.", "Choose a value in between.")
    shard = parse_shard(args.shard)
    prior = build_prior(args.prior, args.model_file)
    store = PriorStore(args.data, args.image_root, prior, args.out, args.store_identity, args.one_file)
    engine = chosen_engine(args, gpus=0)
    tqdm.monitor_interval = 0  # its thread would forbid to fork the workers
    with tqdm(total=len(shard.part(store.pictures)), desc=f"{prior.name} {shard}", unit="face", disable=None) as bar:

        def show(progress: "Progress") -> None:
            if bar.n == 0 and progress.done:
                bar.initial = progress.done  # done before: not part of the rate
            bar.update(progress.done - bar.n)
            bar.set_postfix_str(f"{progress.done - progress.read} unread", refresh=False)

        progress = store.extract(shard, workers, args.batch_size, args.retry_unread, engine, show)
        bar.update(progress.done - bar.n)
    unread = progress.done - progress.read
    where = f" ({Path(args.out) / 'unread.jsonl'})" if unread and progress.finished else ""
    _say(f"{progress.read} of {progress.done} pictures read, {unread} without a prior{where}")
    if progress.finished:
        _say(f"Wrote {Path(args.out) / 'data.json'}: use it in place of {args.data}.")
    else:
        parts = ", ".join(f"{index}/{shard.count}" for index in progress.waiting)
        _say(f"Shard {shard} is done; still to do: --shard {parts}.")
    return {
        "prior": prior.name,
        "version": prior.version,
        "P": prior.dim,
        "shard": str(shard),
        "pictures": progress.done,
        "read": progress.read,
        "unread": unread,
        "finished": progress.finished,
        **({"spread": _report(args, store)} if args.report is not None and progress.finished else {}),
    }


def _report(args: argparse.Namespace, store: Any) -> list[dict[str, Any]]:
    from llava_faba.prior.report import draw_report, measure_spread
    from llava_faba.prior.store import stored_priors

    files = sorted({path for _, path in stored_priors(args.out)})
    ids = {identity for picture in store.pictures for identity in picture.ids}
    spreads = measure_spread(store.prior, files, len(ids))
    where = args.report or Path(args.out) / "report.png"
    draw_report(spreads, where)
    for spread in spreads:
        _say(str(spread))
    _say(f"Wrote {where}.")
    return [spread.record() for spread in spreads]


def _preview(args: argparse.Namespace) -> dict[str, Any]:
    from llava_faba.errors import MissingDependencyError
    from llava_faba.face.crop import find_faces
    from llava_faba.face.images import read_pixels
    from llava_faba.prior import build_prior, prior_names
    from llava_faba.prior.report import draw_preview

    if Path(args.out).suffix.lower() != ".png":
        raise InputError(
            f"--out is {args.out!r}.", "With --preview it is a picture, NAME.png.", "Give it another ending."
        )
    pixels = read_pixels(args.preview)
    if args.prior:
        joined = build_prior(args.prior, args.model_file)
        priors = list(getattr(joined, "parts", (joined,)))
    else:
        every = [build_prior(name) for name in prior_names() if name != "precomputed"]
        priors = [prior for prior in every if not prior.identifies]
    try:
        faces = find_faces(pixels, "largest", quality=False)
    except MissingDependencyError:  # without dlib the photo itself is shown
        faces = []
    _say("" if faces else f"{args.preview}: no face was cut out; the whole picture is read.")
    problems = draw_preview(faces[0].pixels if faces else pixels, priors, args.out, Path(args.preview).name)
    for name, problem in problems.items():
        _say(f"{name}: {problem or 'read'}")
    _say(f"Wrote {args.out}.")
    return {"preview": str(args.out), "problems": problems}


def _say(text: str) -> None:
    if text:
        print(text, file=sys.stderr)
