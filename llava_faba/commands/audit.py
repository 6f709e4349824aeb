"""Audit annotations by hand: draw a sample, fill in a sheet, read it back; accuracy and F1 stand beside the paper's.

1. Draw: --n samples, stratified by label; doubtful ones are drawn more often, come first, and are weighted back.
   --sheet OUT.html is one file for the browser, filled in by keyboard, nothing fetched and nothing sent; its key s
   saves a CSV. --sheet OUT.csv is for any program. --label-studio OUT.json writes tasks for Label Studio.
2. Read back with --read FILLED (a CSV, or Label Studio's export as .json): accuracy of emotions, F1 of each AU, with
   95 % intervals, beside those of FABA-Instruct (its supplement, Tables 2 and 3). Two --read give Cohen's kappa too.

examples:
  llava-faba audit emotion.json --image-root faces --n 200 --sheet audit.html
  llava-faba audit emotion.json --read audit.filled.csv
  llava-faba audit au.json --read first.csv --read second.csv --json audit.json
"""

import argparse
import sys
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", type=Path, metavar="DATA.json", help="a FABA-Instruct file")
    add("--image-root", type=Path, help="the folder that images are relative to (default: the folder of DATA)")
    add("--n", type=int, default=200, help="samples to draw (default: 200, as the paper)")
    add("--seed", type=int, default=0, help="another seed, another draw (default: 0)")
    add("--sheet", type=Path, metavar="OUT", help="write the sheet: .html or .csv")
    add("--label-studio", type=Path, metavar="OUT.json", help="write tasks for Label Studio")
    add("--read", type=Path, action="append", metavar="FILLED", help="read a filled-in sheet; twice for two people")
    add("--json", nargs="?", const="-", metavar="OUT", help="write the result as JSON; - or nothing: stdout")


def run(args: argparse.Namespace) -> None:
    from llava_faba.engine.readings import read_entries
    from llava_faba.errors import InputError

    draws = args.sheet or args.label_studio
    if bool(draws) == bool(args.read) or len(args.read or ()) > 2 or args.n < 1:
        raise InputError(
            f"--sheet or --label-studio is {'given' if draws else 'not given'}, --read {len(args.read or ())} times, "
            f"--n is {args.n}.",
            "An audit first draws 1 or more samples into a sheet; then it reads one or two filled-in sheets.",
            "See the examples: llava-faba audit --help",
        )
    entries = read_entries(args.data)
    if draws:
        _draw(args, entries)
    else:
        _read(args, entries)


def _draw(args: argparse.Namespace, entries: list[dict[str, Any]]) -> None:
    from llava_faba.engine.audit import as_rows, draw
    from llava_faba.engine.label_studio import write_tasks
    from llava_faba.engine.readings import label_of
    from llava_faba.engine.sheet import write_sheet

    drawn = draw(entries, args.n, args.seed)
    rows = as_rows(drawn, args.image_root or args.data.parent)
    if args.sheet:
        write_sheet(rows, args.sheet)
        print(f"{args.sheet}: {len(rows)} samples. next: fill it in, then", file=sys.stderr)
        filled = args.sheet if args.sheet.suffix == ".csv" else args.sheet.with_suffix(".filled.csv")
        print(f"  llava-faba audit {args.data} --read {filled}", file=sys.stderr)
    if args.label_studio:
        tasks, interfaces = write_tasks(rows, [label_of(entry) for entry, _ in drawn], args.label_studio)
        print(f"{tasks}: {len(rows)} tasks; labelling interface: {', '.join(map(str, interfaces))}", file=sys.stderr)


def _read(args: argparse.Namespace, entries: list[dict[str, Any]]) -> None:
    import json

    from llava_faba.engine.audit import compare_people, measure_quality
    from llava_faba.engine.label_studio import read_export
    from llava_faba.engine.sheet import read_sheet
    from llava_faba.files import write_json

    sheets = [(read_export if path.suffix == ".json" else read_sheet)(path) for path in args.read]
    result: dict[str, Any] = {
        "data": str(args.data),
        "sheets": [
            {"sheet": str(path), **measure_quality(entries, *sheet)}
            for path, sheet in zip(args.read, sheets, strict=True)
        ],
    }
    if len(sheets) == 2:
        result["people"] = compare_people(sheets[0][0], sheets[1][0])
    if args.json == "-":
        print(json.dumps(result, indent=1))
        return
    if args.json:
        write_json(args.json, result)
    for line in _lines(result):
        print(line)


def _lines(result: dict[str, Any]) -> list[str]:
    lines = []
    for sheet in result["sheets"]:
        lines.append(f"{sheet['sheet']}: {sheet['judged']} judged, {sheet['unclear']} unclear, {sheet['empty']} empty")
        if "emotion" in sheet:
            found = sheet["emotion"]
            lines.append(
                f"  accuracy  {_value(found['accuracy'])} % {_ends(found['ci95'])}  FABA-Instruct {found['paper']} %"
            )
        if "au" in sheet:
            lines.append(
                f"  mean F1   {_value(sheet['au']['mean_f1'])} %  FABA-Instruct {sheet['au']['paper_mean_f1']} %"
            )
            for name, found in sheet["au"]["each"].items():
                lines.append(
                    f"  {name:<8}  {_value(found['f1'])} % {_ends(found['ci95'])}  "
                    f"FABA-Instruct {_value(found['paper'])} %  (seen {found['seen']} times)"
                )
    people = result.get("people", {})
    for task in ("emotion", "au"):
        if task in people:
            ends = _ends(people[task]["ci95"]) if "ci95" in people[task] else "(mean of the AUs)"
            lines.append(
                f"kappa of two people, {task}: {_value(people[task]['kappa'])} {ends}, {people[task]['n']} samples"
            )
    return lines


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _ends(ends: list[float | None]) -> str:
    return f"({_value(ends[0])} to {_value(ends[1])})"
