"""`llava-faba COMMAND ...`: find the command, read its flags, run it; each command lives in llava_faba/commands/.

A command's module is imported only when it is asked for: `llava-faba score --help` costs neither torch nor LLaVA.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from llava_faba import __version__
from llava_faba.errors import MACHINE, InputError, exit_status, plain_reason

COMMANDS = {  # name -> what it does, in the order of the journey; llava_faba/commands/NAME.py is its module
    "crop": "cut aligned faces out of photos, with their quality",
    "convert": "turn a labelled data set into FABA-Instruct files (csv, raf-db, bp4d, disfa, gft)",
    "annotate": "ask a vision endpoint about faces: FABA-Instruct data of your own",
    "audit": "check annotations by hand: a sheet for the browser, accuracy and F1 with intervals",
    "split": "divide a FABA-Instruct file, subjects and duplicates kept together",
    "prefer": "several answers a face -> preference pairs that landmarks and labels support",
    "doctor": "list every defect of a FABA-Instruct file; with --stats, its numbers beside the paper's",
    "estimate": "the GPU memory of a training run, by part, before anything is loaded; what would fit",
    "priors": "read the facial prior of every face of a data set, once",
    "describe": "faces -> text: pictures, folders and clips as a table, a data set as answers.jsonl",
    "score": "answers -> S_re, S_ge and REGE with intervals, by the released code's rules and others",
    "assess": "a clip -> measured motion over time, severity and report",
    "split-clips": "split annotated clips by patient into training, validation and test files",
    "draft-reports": "draft reports of clips from their measured motion, for an expert to correct",
    "evaluate-clips": "assess a test set of clips and score severity and reports",
    "demo": "serve the page on which people ask about a face",
    "serve": "serve a merged model by vLLM, to many at a time",
    "merge": "put a LoRA checkpoint into its base model",
    "card": "write a model card from a training run's own record and its scores",
    "models": "the model files that some priors need: list, get, path",
    "patch": "let LLaVA's own commands load llava-faba (status, apply, revert)",
}


STATUSES = """exit status:
  0    done
  1    done, but defects were found or nothing could be read
  2    input that cannot be used
  3    a package that this step needs is not installed
  4    the machine refused: disk full, no permission, out of memory
  130  interrupted
  141  the reader of standard output has gone"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status, one of STATUSES."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    if not arguments:
        parser.print_help()
        return 0
    name = parser.parse_args(arguments[:1]).command
    command = import_module(f"llava_faba.commands.{name.replace('-', '_')}")
    command_parser = argparse.ArgumentParser(
        prog=f"llava-faba {name}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(command_parser)
    try:
        status = command.run(command_parser.parse_args(arguments[1:])) or 0
        sys.stdout.flush()  # a full disk shows here, not at exit
        return status
    except BrokenPipeError:  # `| head` has seen enough
        _discard_output()
        return 141
    except (InputError, *MACHINE) as error:
        print(f"llava-faba {name}: error: {plain_reason(error)}", file=sys.stderr)
        _discard_output()
        return exit_status(error)
    except KeyboardInterrupt:
        print(f"llava-faba {name}: interrupted; finished work is kept, run the same command to go on.", file=sys.stderr)
        return 130


def _discard_output() -> None:
    """Send what is still in the buffer of standard output nowhere, so that Python does not fail on it at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS), default=0)
    listing = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="llava-faba",
        description="Teach LLaVA to read faces. Each command has its own --help with examples.\n\ncommands:\n"
        + f"{listing}\n\n{STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"llava-faba {__version__}")
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND", help="one of the commands above")
    return parser


if __name__ == "__main__":
    sys.exit(main())
