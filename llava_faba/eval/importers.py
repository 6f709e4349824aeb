"""Answer files of any known kind -> samples to score: ours, LLaVA's model_vqa files, lmms-eval's, maps, and CSV.

The kind shows: .csv is a CSV with the columns id and answer, .json a map `{id: text}`, lines with `question_id` are
model_vqa's, and lines with `doc_id` are lmms-eval's. These hold no labels and references, unless they are of a CSV or
of our own tasks for lmms-eval: they come from FABA-Instruct's evaluation file or from another model's answers.jsonl,
where answers are found by id, by image, by the image's name, or by number. A sample without an answer is scored as an
empty one.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError
from llava_faba.eval.answers import Answer, label_text, parse_answer, read_answers, refuse_repeated, writable
from llava_faba.eval.joining import Found, joined
from llava_faba.files import existing_file, read_json

_IDENTITY, _ANSWER = ("id", "question_id", "image", "input"), ("answer", "text", "response")


def import_answers(
    paths: Sequence[Path | str],
    references: Sequence[Path | str] = (),
    task: str | None = None,
    cluster_by: str | None = None,
) -> list[Answer]:
    """Read files as one; `references` and `task` give what other tools' files do not hold.

    `cluster_by` is as in `read_answers`. Raises InputError for a file of no known kind, references that are missing or
    not needed, an answer to no sample of them.
    """
    own = [path for path in paths if _kind(Path(path)) is read_answers]
    others = [Path(path) for path in paths if path not in own]
    if own and others:
        raise InputError(
            f"{own[0]} holds answers with labels, {others[0]} is another tool's.",
            "Files that are scored as one are of the same kind.",
            "Score them one by one.",
        )
    if own:
        return read_answers(own, cluster_by)
    found = [one for path in others for one in (_csv(path, task) if path.suffix == ".csv" else _kind(path)(path))]
    if not references:
        return _complete(found, task, cluster_by)
    samples = [sample for path in references for sample in _references(Path(path), task, cluster_by)]
    refuse_repeated(samples)
    return joined(found, samples)


def refuse_unused(paths: Sequence[Path | str], references: Sequence[Path | str], task: str | None) -> None:
    """Raise InputError for `references` or `task` where all files are answers of ours: they hold both themselves."""
    given = "--references" if references else "--task" if task else ""
    if given and all(_kind(Path(path)) is read_answers for path in paths):
        raise InputError(
            f"{given} was given, but {paths[0]} holds its own labels, references and tasks.",
            "--references and --task are for other tools' answers, which hold none.",
            f"Leave {given} out.",
        )


def import_folds(
    paths: Sequence[Path | str],
    references: Sequence[Path | str] = (),
    task: str | None = None,
    cluster_by: str | None = None,
    apart: bool = True,
) -> list[list[Answer]]:
    """Read each file as one fold, each with its own references where they are needed; no sample may be in two.

    Where they are not `apart`, all files are one fold.
    """
    if not apart:
        return [import_answers(paths, references, task, cluster_by)]
    if references and len(references) != len(paths):
        raise InputError(
            f"{len(paths)} folds were given with {len(references)} references.",
            "Each fold has its own references, in the same order.",
            "Give as many files after --references as there are folds.",
        )
    own = [[reference] for reference in references] or [[] for _ in paths]
    folds = [import_answers([path], its, task, cluster_by) for path, its in zip(paths, own, strict=True)]
    refuse_repeated([answer for fold in folds for answer in fold])
    return folds


def _kind(path: Path) -> Callable[[Any], Any]:
    """The reader of a file; whatever is not recognised is read as ours, and refused there with its line."""
    if path.suffix in (".csv", ".json"):
        return _csv if path.suffix == ".csv" else _map
    with open(existing_file(path, "answers file"), "rb") as file:
        try:
            first = json.loads(next((line for line in file if line.strip()), b"null"))
        except (ValueError, RecursionError):
            first = None
    if not isinstance(first, dict) or "id" in first:
        return read_answers
    if "doc_id" in first and ("filtered_resps" in first or "resps" in first):
        return _lmms_eval
    return _llava_vqa if "question_id" in first else read_answers


def _llava_vqa(path: Path) -> list[Found]:
    """The lines of llava.eval.model_vqa: question_id, prompt, text."""
    found = []
    for record, place in _objects(path, _LINE):
        if not {"question_id", "text"} <= record.keys():
            raise _unusable(f"{place} has no question_id or no text.", _LINE)
        asked = {"question": writable(str(record.get("prompt", "")))}
        found.append((writable(str(record["question_id"])), writable(str(record["text"])), place, asked))
    return _not_empty(found, path)


def _lmms_eval(path: Path) -> list[Found]:
    """The sample files that lmms-eval writes with --log_samples: doc_id, input, filtered_resps.

    Our own tasks keep the whole sample in them; an answer to another task is known by its number.
    https://github.com/EvolvingLMMs-Lab/lmms-eval/blob/v0.7.3/lmms_eval/loggers/evaluation_tracker.py
    """
    found = []
    for record, place in _objects(path, _SAMPLE):
        answer = record.get("filtered_resps", record.get("resps"))
        while isinstance(answer, list) and len(answer) == 1:  # one of each question
            answer = answer[0]
        if not isinstance(answer, str) or "doc_id" not in record:
            raise _unusable(f"{place} has no doc_id or not one answer.", _SAMPLE)
        whole = record.get("rege")
        sample = whole if isinstance(whole, dict) and "id" in whole else {}
        asked = {"question": writable(str(record.get("input", ""))), **sample}
        found.append((writable(str(sample.get("id", record["doc_id"]))), writable(answer.strip()), place, asked))
    return _not_empty(found, path)


def _objects(path: Path, allowed: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of a file of JSON lines, each with its place."""
    for number, line in enumerate(existing_file(path, "answers file").read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{path} line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _unusable(f"{place} is not JSON: {error}.", allowed) from error
        if not isinstance(record, dict):
            raise _unusable(f"{place} is no object.", allowed)
        yield record, place


def _map(path: Path) -> list[Found]:
    value = read_json(path, "answers file")
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _unusable(f"{path} is no object of texts.", _OBJECT)
    return _not_empty([(writable(key), writable(text), f"{path} key {key!r}", {}) for key, text in value.items()], path)


def _csv(path: Path, task: str | None = None) -> list[Found]:
    """A table of answers: one with `id` and `answer`, or what `describe --csv` wrote, a picture a row."""
    try:
        text = existing_file(path, "answers file").read_bytes().decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise _unusable(f"{path} is no CSV in UTF-8: {error}.", _TABLE) from error
    head = rows[0].keys() if rows else ()
    if "answer_emotion" in head or "answer_au" in head:
        _require_one_face_a_picture(rows, path, task)
    found = []
    for number, row in enumerate(rows, start=2):
        identity = next((row[name] for name in _IDENTITY if row.get(name)), None)
        answer = next((name for name in (f"answer_{task}", *_ANSWER) if row.get(name) is not None), None)
        if identity is None or answer is None or None in row:
            raise _unusable(f"{path} row {number} has no id, no answer or too many cells.", _TABLE)
        found.append((identity, row[answer], f"{path} row {number}", row))
    return _not_empty(found, path)


def _require_one_face_a_picture(rows: Sequence[dict[str, str]], path: Path, task: str | None) -> None:
    """Refuse a table of `describe --csv` in which it does not show which answer belongs to a sample."""
    if f"answer_{task}" not in rows[0]:
        raise InputError(
            f"{path} is a table of `describe --csv`; it holds no answers of the task {task or '(none was given)'}.",
            f"Its answers are in the columns {', '.join(name for name in rows[0] if name.startswith('answer_'))}.",
            "Give one of them with --task emotion or --task au, and --references EVAL.json.",
        )
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        if row["input"] in seen:
            raise InputError(
                f"{path} rows {seen[row['input']]} and {number} are two faces or frames of {row['input']}.",
                "A sample has one answer, so a table that is scored holds one face of each picture.",
                "Describe the pictures with --crop largest, or keep one row of each.",
            )
        seen[row["input"]] = number


def _not_empty(found: list[Found], path: Path) -> list[Found]:
    if not found:
        raise InputError(f"The answers file {path} is empty.", "It holds one answer or more.", "Give another file.")
    return found


_LINE = 'Each line is an object like {"question_id": "7", "prompt": "...", "text": "the answer"}.'
_SAMPLE = 'Each line is an object like {"doc_id": 7, "input": "...", "filtered_resps": "the answer"}.'
_OBJECT = 'The file is one object like {"7": "the answer", "8": "..."}.'
_TABLE = "The first row names the columns: id (or question_id, image) and answer (or text, response)."


def _unusable(got: str, allowed: str) -> InputError:
    return InputError(got, allowed, "Correct the file, or write answers.jsonl with all its keys.")


def _complete(found: list[Found], task: str | None, cluster_by: str | None) -> list[Answer]:
    """Answers from records that hold label and task themselves."""
    answers = []
    for identity, text, place, record in found:
        if "label" not in record or not (task or record.get("task")):
            raise InputError(
                f"{place} comes without a label or a task.",
                "Other tools' answers need the labels and references of the same samples from elsewhere.",
                "Give the evaluation file with --references EVAL.json and its task with --task emotion or --task au.",
            )
        own = {"id": identity, "answer": text, "task": task or record["task"], "label": record["label"]}
        others = {key: record.get(key) or "" for key in ("image", "question", "reference")}
        answers.append(parse_answer(record | own | others, place, cluster_by))
    refuse_repeated(answers)
    return answers


def _references(path: Path, task: str | None, cluster_by: str | None) -> list[Answer]:
    """Samples without answers: from another answers.jsonl, or from FABA-Instruct's evaluation file."""
    if path.suffix == ".jsonl":
        return [
            replace(sample, answer="") for sample in read_answers([path], cluster_by) if task in (None, sample.task)
        ]
    entries = read_json(path, "references file")
    if task is None or not isinstance(entries, list) or not entries:
        raise InputError(
            f"The references file {path} "
            + ("does not say which task it is." if isinstance(entries, list) and entries else "holds no samples."),
            "FABA-Instruct's evaluation file is a list of objects with image, label and gpt4, all of one task.",
            "Give it together with --task emotion or --task au.",
        )
    samples = []
    for number, entry in enumerate(entries):
        place = f"{path} sample {number}"
        if not isinstance(entry, dict) or not {"image", "label"} <= entry.keys():
            raise InputError(
                f"{place} has no image or no label.",
                "Samples of FABA-Instruct's evaluation file have image, label and gpt4.",
                "Correct the file.",
            )
        given = {"id": entry.get("id", entry["image"]), "image": entry["image"], "reference": entry.get("gpt4")}
        own = {"label": label_text(entry["label"], place), "task": task, "question": "", "answer": ""}
        samples.append(parse_answer(entry | given | own, place, cluster_by))
    return samples
