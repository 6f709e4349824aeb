#!/usr/bin/env python
"""Write the table of docs/performance.md from what the benchmarks measured, and measure again.

The figures lie in scripts/benchmarks/results/NAME.json, each with its date, machine and libraries. A second measurement
is printed beside the first, as the ratio of their ratios.

    python scripts/performance.py                      write the table
    python scripts/performance.py --check              say whether it is up to date
    python scripts/performance.py --measure            run all (half an hour), keep the figures, write the table
    VLLM_PYTHON=.venvs/vllm/bin/python FACES=photos python scripts/performance.py --measure serving
    python scripts/performance.py --again describe     run one a second time and compare; keep nothing
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from written_part import keep_up_to_date

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "scripts" / "benchmarks"
RESULTS = BENCHMARKS / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- table: written by scripts/performance.py -->", "<!-- end of the table -->"
MEASURED = {  # name of the result -> the program and its flags
    "describe": ["describe.py"],
    "describe_longer": ["describe.py", "--hidden", "512", "--layers", "12", "--tokens", "96", "--repeats", "1"],
    "describe_576": ["describe.py", "--image-size", "336"],
    "serving": ["serving.py", "--vllm", "$VLLM_PYTHON", "--pictures", "$FACES"],
    "phases": ["phases.py"],
    "score": ["score.py", "--answers", "4000", "--package-answers", "200"],
    "priors": ["priors.py", "--pictures", "300", "--many", "0"],
    "loading": ["loading.py", "--megabytes", "600"],
    "training": ["training.py"],
    "stock": ["stock.py"],
    "demo": ["demo.py", "--requests", "300"],
}


def table() -> str:
    """Return the results as a Markdown table, a line for each row, in the order of MEASURED."""
    lines = ["| what | measured | date | program |", "|---|---|---|---|"]
    about = []
    for name, command in MEASURED.items():
        path = RESULTS / f"{name}.json"
        if not path.is_file():
            continue
        kept = json.loads(path.read_text())
        program = f"`{' '.join(command)}`"
        lines += [f"| {row['what']} | {row['measured']} | {kept['date']} | {program} |" for row in kept["rows"]]
        machine, libraries = kept["machine"], kept["libraries"]
        cores = f"{machine['cores']} core{'s' if machine['cores'] > 1 else ''}"
        about.append(
            f"{cores} of {machine['processor']}, {machine['memory_gib']} GiB, "
            + ", ".join(f"{library} {version}" for library, version in libraries.items() if library != "numpy")
        )
    if not about:
        return "Nothing was measured yet."
    return "\n".join([f"Measured on {'; and '.join(dict.fromkeys(about))}.", "", *lines])


def run(name: str, out: Path) -> None:
    """Run one benchmark; its figures go to `out`. One that needs what is not named in the environment is left out."""
    program, *flags = map(os.path.expandvars, MEASURED[name])
    if missing := [flag[1:] for flag in flags if flag.startswith("$")]:
        print(f"== {name}: left out, it needs {' and '.join(missing)} in the environment", file=sys.stderr)
        return
    print(f"== {name}", file=sys.stderr)
    subprocess.run([sys.executable, str(BENCHMARKS / program), *flags, "--json", str(out)], check=True)


def compare(name: str) -> None:
    """Measure once more and print each row's ratio beside the one that was kept."""
    with tempfile.TemporaryDirectory() as folder:
        run(name, Path(folder) / "again.json")
        if not (Path(folder) / "again.json").is_file():
            return
        again: dict[str, Any] = json.loads((Path(folder) / "again.json").read_text())
    kept = json.loads((RESULTS / f"{name}.json").read_text())
    for first, second in zip(kept["rows"], again["rows"], strict=True):
        change = 100 * (second["ratio"] / first["ratio"] - 1)
        print(f"{first['what']}: {first['ratio']} then, {second['ratio']} now ({change:+.0f} %)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, say whether it is up to date")
    parser.add_argument("--measure", nargs="*", choices=list(MEASURED), metavar="NAME", help="all, if none is named")
    parser.add_argument("--again", choices=list(MEASURED), metavar="NAME")
    args = parser.parse_args()
    if args.again:
        compare(args.again)
        return 0
    if args.measure is not None:
        RESULTS.mkdir(exist_ok=True)
        for name in args.measure or MEASURED:
            run(name, RESULTS / f"{name}.json")
    return keep_up_to_date(DOCUMENT, BEGIN, END, table(), "python scripts/performance.py", args.check)


if __name__ == "__main__":
    sys.exit(main())
