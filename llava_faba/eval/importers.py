"""Answer files of any known kind -> samples to score: ours, LLaVA's model_vqa files, `{id: text}` maps, and CSV.

The kind shows: .csv is a CSV with the columns id and answer, or a table of `describe --csv`; .json is a map, and lines
with `question_id` are model_vqa's. These hold no labels and references (a CSV may): they come from FABA-Instruct's
evaluation file or from another model's answers.jsonl, where answers are found by id, by image, by the image's name, or,
if every sample is answered, by number from 0. A sample without an answer is scored as an empty one.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError
from llava_faba.eval.answers import TASKS, Answer, label_text, parse_answer, read_answers, refuse_repeated, writable
from llava_faba.files import existing_file, read_json

_IDENTITY, _ANSWER = ("id", "question_id", "image"), ("answer", "text", "response")

Found = tuple[str, str, str, dict[str, Any]]  # id, answer, place, the whole record


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
        return [answer for answer in read_answers(own, cluster_by) if _is_of(answer, task, own[0])]
    found = [one for path in others for one in (_csv(path, task) if _kind(path) is _csv else _kind(path)(path))]
    if not references:
        return _complete(found, task, cluster_by)
    samples = [sample for path in references for sample in _references(Path(path), task, cluster_by)]
    refuse_repeated(samples)
    return _joined(found, samples)


def need_references(paths: Sequence[Path | str]) -> bool:
    """Whether one of the files is another tool's, which holds no labels and references of its own."""
    return any(_kind(Path(path)) is not read_answers for path in paths)


def _is_of(answer: Answer, task: str | None, path: Path | str) -> bool:
    if task in (None, answer.task):
        return True
    raise InputError(
        f"--task {task} was given, but {answer.place} has the task {answer.task}.",
        f"{path} says itself which task its answers are.",
        "Leave --task out, or give the file of the other task.",
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
    return _llava_vqa if isinstance(first, dict) and "question_id" in first and "id" not in first else read_answers


def _llava_vqa(path: Path) -> list[Found]:
    """The lines of llava.eval.model_vqa: question_id, prompt, text."""
    found = []
    for number, line in enumerate(existing_file(path, "answers file").read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{path} line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _unusable(f"{place} is not JSON: {error}.", _LINE) from error
        if not isinstance(record, dict) or not {"question_id", "text"} <= record.keys():
            raise _unusable(f"{place} has no question_id or no text.", _LINE)
        asked = {"question": writable(str(record.get("prompt", "")))}
        found.append((writable(str(record["question_id"])), writable(str(record["text"])), place, asked))
    return _not_empty(found, path)


def _map(path: Path) -> list[Found]:
    value = read_json(path, "answers file")
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _unusable(f"{path} is no object of texts.", _OBJECT)
    return _not_empty([(writable(key), writable(text), f"{path} key {key!r}", {}) for key, text in value.items()], path)


def _csv(path: Path, task: str | None = None) -> list[Found]:
    try:
        text = existing_file(path, "answers file").read_bytes().decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise _unusable(f"{path} is no CSV in UTF-8: {error}.", _TABLE) from error
    identities, answers = _IDENTITY, _ANSWER
    if rows and "input" in rows[0] and any(f"answer_{name}" in rows[0] for name in TASKS):  # of `describe --csv`
        identities, answers = ("input",), (f"answer_{_task_of_table(path, rows[0], task)}",)
    found = []
    for number, row in enumerate(rows, start=2):
        identity = next((row[name] for name in identities if row.get(name)), None)
        answer = next((name for name in answers if row.get(name) is not None), None)
        if identity is None or answer is None or None in row:
            raise _unusable(f"{path} row {number} has no id, no answer or too many cells.", _TABLE)
        found.append((identity, row[answer], f"{path} row {number}", row))
    return _not_empty(found, path)


def _task_of_table(path: Path, row: dict[str, str], task: str | None) -> str:
    """Which of the answers in a table of `describe --csv` are meant."""
    there = [name for name in TASKS if f"answer_{name}" in row]
    if task in there:
        return str(task)
    if task is None and len(there) == 1:
        return there[0]
    raise InputError(
        f"{path} holds answers to {' and '.join(there)}" + (f", not to {task}." if task else "."),
        "One task is scored at a time.",
        f"Give {' or '.join(f'--task {name}' for name in there)}.",
    )


def _not_empty(found: list[Found], path: Path) -> list[Found]:
    if not found:
        raise InputError(f"The answers file {path} is empty.", "It holds one answer or more.", "Give another file.")
    return found


_LINE = 'Each line is an object like {"question_id": "7", "prompt": "...", "text": "the answer"}.'
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


_KEYS: tuple[Callable[[int, Answer], str], ...] = (
    lambda number, sample: sample.id,
    lambda number, sample: sample.image,
    lambda number, sample: Path(sample.image).name,
    lambda number, sample: Path(sample.image).stem,
)


def _joined(found: list[Found], samples: list[Answer]) -> list[Answer]:
    """Give each sample its answer, by the first kind of key that places all of them."""
    given = _by_identity(found)
    names = _matching_names(given, samples)
    if names is None:  # the files of a table are known by their whole path, those of samples below the image root
        longest = max(len(Path(identity).parts) for identity in given)
        for depth in range(longest - 1, 0, -1):
            tails = {"/".join(Path(identity).parts[-depth:]): one for identity, one in given.items()}
            if len(tails) == len(given) and (names := _matching_names(tails, samples)):
                given = tails
                break
    if names is None:
        raise _strangers(found, samples)
    answers = []
    for name, sample in zip(names, samples, strict=True):
        if name in given:
            _, text, place, record = given[name]
            question = str(record.get("question") or sample.question)
            answers.append(replace(sample, answer=text, place=place, question=question))
        else:
            answers.append(sample)
    return answers


def _by_identity(found: list[Found]) -> dict[str, Found]:
    given: dict[str, Found] = {}
    for one in found:
        if one[0] in given:
            raise InputError(
                f"{one[2]} repeats the id {one[0]!r} of {given[one[0]][2]}.",
                "Each sample is answered once.",
                "Remove one of the two; with --crop largest `llava-faba describe` writes one row a picture.",
            )
        given[one[0]] = one
    return given


def _matching_names(given: dict[str, Found], samples: list[Answer]) -> list[str] | None:
    """What each sample is called in the answers' file; None where no kind of name places all answers."""
    for key in _KEYS:
        names = [key(number, sample) for number, sample in enumerate(samples)]
        if len(set(names)) == len(names) and given.keys() <= set(names):
            return names
    numbers = [str(number) for number in range(len(samples))]
    return numbers if given.keys() == set(numbers) else None  # part of them may be counted from 1: never guessed


def _strangers(found: list[Found], samples: list[Answer]) -> InputError:
    known = {sample.id for sample in samples}
    stranger = next((one for one in found if one[0] not in known), found[0])
    return InputError(
        f"{stranger[2]} answers {stranger[0]!r}, which is no sample of the references, not by its id, its image or "
        f"the image's name; and the {len(found)} answers are not numbered from 0 to {len(samples) - 1}.",
        f"The first of the {len(samples)} samples is {samples[0].id!r}.",
        "Give the references of these answers, one task at a time, with --references and --task.",
    )
