"""Annotate faces: ask an OpenAI-compatible vision endpoint about each, and keep what can be learned from.

THE FACES LEAVE THIS MACHINE: each is sent to the endpoint as a picture. Send only faces of people who agreed to it,
or use an endpoint of your own (`vllm serve MODEL`, --endpoint http://localhost:8000/v1). Nothing is sent before you
have confirmed the estimate, or passed --yes. The key is read from the environment (OPENAI_API_KEY).

IMAGES is a folder, a picture, or a .txt list of pictures. The largest face of each is cut out and turned upright; with
--aligned the pictures are sent as they are. DATA.json gets each face once; DATA_annotation/ beside it holds the crops,
all answers, the doubtful ones (least certain first), those left out with the rule, and the journal of all requests.
A run that was stopped is continued by the same command. An answer is on disk before the next request about its face,
so that no answered face is paid twice; a request in flight at a kill counts at its worst.

examples:
  llava-faba annotate faces --endpoint https://api.openai.com/v1 --model gpt-4o --task emotion --out emotion.json \\
      --budget 5 --price-in 2.5 --price-out 10
  llava-faba annotate crops --aligned --endpoint http://localhost:8000/v1 --model qwen-vl --task au --out au.json --yes
"""

import argparse
import sys
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("images", type=Path, metavar="IMAGES", help="a folder of pictures, a picture, or a .txt list of pictures")
    add("--endpoint", required=True, metavar="URL", help="address of an OpenAI-compatible API; faces are sent to it")
    add("--model", required=True, help="the model's name at the endpoint")
    add("--task", required=True, choices=["emotion", "au"], help="what is asked about")
    add("--out", required=True, type=Path, metavar="DATA.json", help="the FABA-Instruct file to write")
    add("--concurrency", type=int, default=4, help="requests in flight at a time (default: 4)")
    add("--budget", type=float, metavar="USD", help="never spend more; needs both prices")
    add("--price-in", type=float, metavar="P", help="USD per million tokens of prompts")
    add("--price-out", type=float, metavar="P", help="USD per million tokens of answers")
    add("--budget-tokens", type=int, metavar="N", help="never spend more tokens, of prompts and answers together")
    add("--seed", type=int, default=0, help="draws each face's instruction out of 100 (default: 0)")
    add("--samples", type=int, default=1, help="answers a face, whose agreement is checked (default: 1)")
    add("--max-tokens", type=int, default=512, help="of an answer (default: 512)")
    add("--temperature", type=float, help="of the endpoint's sampling (default: its own)")
    add("--tries", type=int, default=6, help="of a request that fails (default: 6)")
    add("--timeout", type=float, default=120, help="seconds to wait for an answer (default: 120)")
    add("--aligned", action="store_true", help="the pictures are aligned crops already: send them as they are")
    add("--labels", type=Path, metavar="CSV", help="known labels (columns image, label) to check answers against")
    add("--agree-with", type=Path, action="append", default=[], metavar="ANSWERS.jsonl", help="another model's answers")
    add("--key-variable", default="OPENAI_API_KEY", metavar="NAME", help="environment variable that holds the key")
    add("--yes", action="store_true", help="send without asking for a confirmation")
    add("--json", nargs="?", const="-", metavar="OUT", help="write the counts as JSON; - or nothing: stdout")


def run(args: argparse.Namespace) -> int:
    from llava_faba.engine.session import annotate

    for flag, value, low, high in (
        ("--concurrency", args.concurrency, 1, 256),
        ("--samples", args.samples, 1, 16),
        ("--max-tokens", args.max_tokens, 1, 32768),
        ("--tries", args.tries, 1, 50),
        ("--timeout", args.timeout, 1, 3600),
    ):
        require_between(flag, value, low, high)
    record = annotate(args, confirmed if args.yes else confirm, lambda line: print(line, file=sys.stderr))
    if args.json == "-":
        import json

        print(json.dumps(record, indent=1))
    elif args.json:
        from llava_faba.files import write_json

        write_json(args.json, record)
    return 0 if record["ended"] == "done" and not record["unanswered"] else 1


def require_between(flag: str, value: float, low: float, high: float) -> None:
    """Raise InputError for a value outside its range."""
    from llava_faba.errors import InputError

    if not low <= value <= high:
        raise InputError(f"{flag} is {value}.", f"It lies between {low} and {high}.", "Choose a value in between.")


def confirmed(estimate: dict[str, Any]) -> bool:
    """The answer of --yes."""
    return True


def confirm(estimate: dict[str, Any]) -> bool:
    """Ask the user; without a terminal nobody can agree, so that is an InputError."""
    from llava_faba.errors import InputError

    if not sys.stdin.isatty():
        raise InputError(
            f"{estimate['requests']} faces would be sent to {estimate['host']}, and there is no terminal to ask.",
            "Nothing is sent before you agree.",
            "Pass --yes when you agree that these faces leave this machine.",
        )
    return input(f"Send {estimate['requests']} faces to {estimate['host']}? [y/N] ").strip().lower() in ("y", "yes")
