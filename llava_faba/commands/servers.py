"""Who answers instead of a model that is loaded here: the flags --server and --server-model, and what they exclude."""

import argparse
from typing import Any

from llava_faba.errors import InputError

# What belongs to a model that is loaded here, and its value where it was not given.
LOCAL = {
    "model_path": None,
    "model_base": None,
    "revision": None,
    "base_revision": None,
    "device": None,
    "dtype": None,
    "load_8bit": False,
    "load_4bit": False,
    "conv_mode": "v1",
    "probabilities": False,
    "compare_with": None,
    "engine": None,
}


def add_server(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add --server and --server-model."""
    parser.add_argument(
        "--server",
        nargs="+",
        metavar="URL",
        help="ask a model that `llava-faba serve` serves there, e.g. http://127.0.0.1:8000/v1; several share the work",
    )
    parser.add_argument("--server-model", metavar="NAME", help="the model's name there, where there are several")


def check_server(args: argparse.Namespace) -> None:
    """Refuse flags that only a model that is loaded here can follow."""
    if not args.server:
        if args.server_model:
            raise InputError(
                "--server-model was given without --server.", "It names a server's model.", "Give --server URL too."
            )
        return
    for name, usual in LOCAL.items():
        if getattr(args, name, usual) != usual:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{flag} was given with --server.",
                "The server has the model already and answers in words only.",
                f"Leave one of them out; a model that is loaded here follows {flag}.",
            )


def connect(args: argparse.Namespace, at_once: int | None = None) -> Any:
    """Return the ServedDescriber of --server; InputError where no server answers."""
    from llava_faba.engine.servers import Servers
    from llava_faba.inference.served import AT_ONCE, ServedDescriber

    servers = Servers(args.server, args.server_model, max_tokens=args.max_new_tokens)
    return ServedDescriber(servers, at_once or AT_ONCE)
