"""What a command has made -> standard output or a file, and one line on standard error that says where it is."""

import sys
from pathlib import Path
from typing import Any


def emit(content: str | bytes, place: str | Path) -> None:
    """Write to a file, whole or not at all, and say so; "-" is standard output."""
    from llava_faba.files import write_atomically

    if str(place) == "-":
        sys.stdout.write(content if isinstance(content, str) else content.decode())
    else:
        say_written(write_atomically(place, content))


def emit_json(value: Any, place: str | Path) -> None:
    """Write a value as JSON (nan is null) to a file, and say so; "-" is standard output."""
    from llava_faba.files import json_text

    emit(json_text(value), place)


def say_written(place: str | Path, what: str = "") -> None:
    """Say on standard error that a file is written, with `what` is in it."""
    print(f"written: {place}" + (f" ({what})" if what else ""), file=sys.stderr)


def print_face(face: dict[str, Any]) -> None:
    """Print what was said about one face, for a reader at a terminal."""
    from llava_faba.inference.photos import disagrees

    print(f"{face['image']}" + (f", face at {face['box']}" if face.get("box") else ""))
    for answer in face["answers"]:
        print(f"  {answer['question']}\n  {answer['answer'] or '(no face could be read)'}")
        for judged in (answer.get("evidence") or {}).get("sentences", ()):
            print(f"  {judged['sentence']}  [{judged['verdict']}: {judged['reason']}]")
        print(f"  recognised: {answer['recognised']}")
        if shares := answer.get("probabilities"):
            listed = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
            print(f"  probabilities, by {answer['probabilities_by']}: {listed}")
            if other := disagrees(answer):
                print(f"  the probabilities disagree with what is recognised about {', '.join(other)}")
        elif "probabilities" in answer:
            print("  probabilities: none, since the answer names nothing that could be weighed")
        print()
