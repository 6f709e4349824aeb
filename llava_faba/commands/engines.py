"""What does the work: the flags --engine, --address and those of Ray's actors, the same for every command with them."""

import argparse
from typing import TYPE_CHECKING, Any

from llava_faba.errors import InputError

if TYPE_CHECKING:
    from llava_faba.cluster.actors import RayEngine
    from llava_faba.inference.spread import Loading

OF_RAY = ("address", "actors", "num_cpus", "num_gpus")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine and the flags of its actors."""
    group = parser.add_argument_group("engine", "docs/scale.md says what to use when")
    group.add_argument(
        "--engine", choices=["plain", "ray"], help="plain: this process; ray: actors of a cluster (default: plain)"
    )
    group.add_argument("--address", help="ray: auto, or HOST:PORT of the cluster (default: this machine alone)")
    group.add_argument("--actors", type=int, metavar="N", help="ray: actors at most (default: as there is room now)")
    group.add_argument("--num-cpus", type=float, metavar="N", help="ray: CPUs of an actor (default: 1)")
    group.add_argument("--num-gpus", type=float, metavar="N", help="ray: GPUs of an actor, also 0.5 (default: 1 or 0)")


def chosen_engine(args: argparse.Namespace, gpus: float | None = None) -> "RayEngine | None":
    """Connect to what --engine names; None: this process does the work. `gpus` is the default of --num-gpus.

    Raises InputError for flags that do not fit, or where there is no cluster.
    """
    given = [f"--{flag.replace('_', '-')}" for flag in OF_RAY if getattr(args, flag) is not None]
    if args.engine != "ray":
        if given:
            raise InputError(
                f"{given[0]} was given without --engine ray.", "It is about Ray's actors.", "Add --engine ray."
            )
        return None
    for flag, low in (("actors", 1), ("num_cpus", 0.01), ("num_gpus", 0)):
        value = getattr(args, flag)
        if value is not None and not low <= value <= 10_000:
            raise InputError(f"--{flag.replace('_', '-')} is {value:g}.", f"It is {low} or more.", "Correct it.")
    from llava_faba.cluster.actors import RayEngine

    return RayEngine(
        args.address,
        actors=args.actors,
        cpus=1 if args.num_cpus is None else args.num_cpus,
        gpus=gpus if args.num_gpus is None else args.num_gpus,
    )


def loading_keywords(args: argparse.Namespace) -> dict[str, Any]:
    """Return what `describe`'s flags say to `Describer.from_pretrained` besides the model and the batch."""
    own = ("device", "dtype", "load_8bit", "load_4bit", "revision", "base_revision")
    return {**{name: getattr(args, name) for name in own}, "conversation": args.conv_mode}


def actors_loading(args: argparse.Namespace) -> "Loading":
    """Return how actors load the model of `describe`: each on what its node has, where no --device is given."""
    from llava_faba.inference.spread import Loading

    return Loading(args.model_path, args.model_base, loading_keywords(args), args.batch_size, args.detector)
