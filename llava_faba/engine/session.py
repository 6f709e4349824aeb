"""A user's wish -> an annotation run from end to end: faces, estimate, agreement, requests, files, summary."""

import csv
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llava_faba.engine.annotate import Annotation, Outcome, Settings, answers_by_image, estimate, still_to_ask
from llava_faba.engine.budget import Budget, Limits
from llava_faba.engine.dataset import LEFT_OUT, RECORD, work_folder, write_dataset
from llava_faba.engine.endpoint import Endpoint
from llava_faba.engine.faces import CROPS, Face, list_pictures, prepare_faces
from llava_faba.engine.journal import Journal
from llava_faba.engine.readings import Label, read_label
from llava_faba.errors import InputError
from llava_faba.files import existing_file, read_json_lines, write_json

Say = Callable[[str], None]


def annotate(args: Namespace, agree: Callable[[dict[str, Any]], bool], say: Say) -> dict[str, Any]:
    """Run the command `annotate` with its flags; `agree` is asked before anything is sent. Return the counts.

    Raises InputError for unusable flags and pictures, before anything is sent.
    """
    settings = Settings(
        args.task, args.model, args.seed, args.samples, args.max_tokens, args.temperature, bool(args.aligned)
    )
    limits = Limits(args.budget, args.budget_tokens, args.price_in, args.price_out)
    endpoint = Endpoint(args.endpoint, args.model, args.max_tokens, args.temperature, args.timeout, args.key_variable)
    root, names = list_pictures(args.images)
    labels = read_labels(args.labels, args.task) if args.labels else None
    others = read_others(args.agree_with, args.task)
    work = work_folder(args.out)
    work.mkdir(parents=True, exist_ok=True)
    with Journal(work, settings.record()) as journal:
        # 1. Cut and measure the faces; nothing leaves the machine.
        faces, left_out = _faces(root, names, work, settings.aligned)
        # 2. Say what the run will cost, and ask.
        todo = still_to_ask(journal, faces, settings.samples)
        requests = sum(settings.samples - have for _, have in todo)
        budget = Budget(limits, settings.max_tokens, journal.spent(), journal.longest_prompt())
        outcome = Outcome()
        if requests:
            expected = estimate(requests, settings, limits, budget.longest_prompt)
            for line in _estimate_lines(expected, endpoint.host, budget):
                say(line)
            if not agree({**expected, "host": endpoint.host}):
                return {"ended": "not agreed", "unanswered": len(todo), "kept": 0}
            # 3. Ask.
            outcome = Annotation(endpoint, journal, budget, settings, args.tries).run(faces, args.concurrency)
        # 4. Write what is there, whatever ended the run.
        answers = answers_by_image(journal, faces)
        counts = write_dataset(args.out, faces, answers, settings, args.endpoint, left_out, labels, others)
        record = _record(outcome, counts, journal, budget, faces, answers)
        write_json(work / RECORD, {**settings.record(), **record})
    for line in _summary(record, args.out, work, root if settings.aligned else work / CROPS, outcome):
        say(line)
    return record


def read_labels(path: Path, task: str) -> dict[str, Label]:
    """Read known labels by image from a CSV with the columns `image` and `label`."""
    with open(existing_file(path, "file of labels"), newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"image", "label"} <= rows[0].keys():
        raise InputError(
            f"The file of labels {path} lacks the columns `image` and `label`.",
            "It is a CSV with a row a picture.",
            "Name the columns in its first line.",
        )
    return {row["image"]: read_label(row["label"] or "", task, f"{path}, {row['image']}") for row in rows}


def read_others(paths: list[Path], task: str) -> dict[str, list[str]]:
    """Read other models' answers to the task by image, from files as `annotate` and `describe` write them."""
    found: dict[str, list[str]] = {}
    for path in paths:
        for line in read_json_lines(existing_file(path, "file of answers")):
            if not {"image", "task", "answer"} <= line.keys():
                raise InputError(
                    f"{path} has a line without image, task and answer.",
                    "--agree-with takes answers as `annotate` and `describe` write them.",
                    "Give answers.jsonl of another run.",
                )
            if line["task"] == task and line["answer"]:
                found.setdefault(line["image"], []).append(line["answer"])
    return found


def _faces(root: Path, names: list[str], work: Path, aligned: bool) -> tuple[list[Face], list[dict[str, str]]]:
    faces, left_out = [], []
    found = prepare_faces(root, names, work, aligned)
    for name, (face, reason) in zip(names, tqdm(found, total=len(names), desc="faces", disable=None), strict=True):
        if face is None:
            rule, _, told = reason.partition(": ")
            left_out.append({"image": name, "rule": rule, "reason": told})
        else:
            faces.append(face)
    return faces, left_out


def _estimate_lines(expected: dict[str, Any], host: str, budget: Budget) -> list[str]:
    usual, most = expected["usual_usd"], expected["most_usd"]
    money = "" if usual is None else f", {usual:.2f} USD; {most:.2f} USD at most"
    limit = budget.limits
    limits = [
        f"{value:g} {unit}" for value, unit in ((limit.usd, "USD"), (limit.tokens, "tokens")) if value is not None
    ]
    spent = budget.spent.prompt + budget.spent.completion
    return [
        f"{expected['requests']} requests to {host}, each with the picture of a face, which leaves this machine.",
        f"estimate: {expected['usual_tokens']} tokens, {expected['most_tokens']} at most{money}",
        f"limit: {' and '.join(limits) or 'none (see --budget and --budget-tokens)'}; already spent: {spent} tokens",
    ]


def _record(
    outcome: Outcome,
    counts: dict[str, Any],
    journal: Journal,
    budget: Budget,
    faces: list[Face],
    answers: dict[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    events = [request["event"] for request in journal.requests.values()]
    usd = budget.limits.cost(budget.spent)
    return {
        "ended": outcome.ended,
        "reason": outcome.reason,
        "faces": len(faces),
        "unanswered": sum(not answers[face.image] for face in faces),
        **counts,
        "requests": {event: events.count(event) for event in ("answer", "unpaid", "lost")},
        "spent_tokens": budget.spent.prompt + budget.spent.completion,
        "spent_usd": None if usd is None else round(usd, 6),
    }


def _summary(record: dict[str, Any], out: Path, work: Path, image_root: Path, outcome: Outcome) -> list[str]:
    requests = record["requests"]
    money = "" if record["spent_usd"] is None else f", {record['spent_usd']:.4f} USD"
    lines = [
        f"{out}: {record['kept']} faces kept, {record['doubtful']} of them doubtful; "
        f"{sum(record['left_out'].values())} left out, {record['unanswered']} not answered yet",
        f"spent: {record['spent_tokens']} tokens{money}; {requests['answer']} answers, "
        f"{requests['lost']} requests that may have been paid without an answer",
    ]
    lines += [f"  left out by {rule}: {count}" for rule, count in record["left_out"].items()]
    if record["left_out"]:
        lines.append(f"  all are in {work / LEFT_OUT}")
    if record["agreement"] is not None:
        lines.append(f"agreement between answers about one face: {record['agreement']:.2f}")
    told = {
        "budget": "The budget is reached. Give a larger one and run the same command to continue.",
        "stopped": f"The run was stopped: {record['reason']}. Nothing is lost; mend it and run the same command.",
        "interrupted": "Interrupted. Run the same command to continue.",
    }
    if outcome.ended in told:
        lines.append(told[outcome.ended])
    elif record["unanswered"]:
        image, reason = next(iter(outcome.unanswered.items()), ("", ""))
        lines.append(f"Not answered: {image}: {reason}. Run the same command to ask again.")
    if record["kept"]:
        lines.append(f"next: llava-faba doctor {out} --image-root {image_root}")
    return lines
