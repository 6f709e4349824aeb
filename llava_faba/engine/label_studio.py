"""Drawn samples -> tasks for Label Studio, and what it exports -> people's labels: for teams that annotate there.

Tasks: https://labelstud.io/guide/tasks#Basic-Label-Studio-JSON-format; predictions: https://labelstud.io/guide/predictions;
exports, JSON and JSON-MIN: https://labelstud.io/guide/export.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from llava_faba.engine.readings import Label, read_label
from llava_faba.engine.sheet import UNCLEAR, Judged, Row, choices, picture_url
from llava_faba.errors import InputError
from llava_faba.files import read_json, write_atomically, write_json

FIELD = "label"  # the name of the control tag
NO_AU = "none"


def write_tasks(rows: Sequence[Row], labels: Sequence[Label | None], out: Path) -> tuple[Path, list[Path]]:
    """Write the tasks to import, and beside them the labelling interface of each task: OUT.emotion.xml, OUT.au.xml.

    The labels are handed over as predictions, which an annotator sees only where the project shows them.
    """
    tasks = [
        {
            "data": {
                "image": picture_url(row.picture),
                **{key: getattr(row, key) for key in ("id", "task", "answer_sha256", "weight", "text")},
            },
            "predictions": [] if label is None else [{"model_version": "llava-faba", "result": [_result(label)]}],
        }
        for row, label in zip(rows, labels, strict=True)
    ]
    interfaces = [
        write_atomically(out.with_suffix(f".{task}.xml"), interface(task)) for task in sorted({r.task for r in rows})
    ]
    return write_json(out, tasks), interfaces


def interface(task: str) -> str:
    """Return the labelling interface of a task, with the keys of our own sheet."""
    single = "single" if task == "emotion" else "multiple"
    shown = [*choices(task), *([] if task == "emotion" else [{"key": "0", "value": NO_AU, "words": "no action unit"}])]
    shown.append({"key": "u", "value": UNCLEAR, "words": "unclear"})
    lines = [
        f"    <Choice value={quoteattr(one['words'])} alias={quoteattr(one['value'])} hotkey={quoteattr(one['key'])}/>"
        for one in shown
    ]
    tag = f'  <Choices name="{FIELD}" toName="image" choice="{single}" required="true">'
    return "\n".join(["<View>", '  <Image name="image" value="$image"/>', tag, *lines, "  </Choices>", "</View>", ""])


def read_export(path: Path) -> tuple[list[Judged], int]:
    """Read an export, JSON or JSON-MIN; return the judged samples and how many tasks hold no annotation.

    Of several annotations of a task the last one counts; skipped ones do not.
    """
    tasks = read_json(path, "Label Studio export")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise _no_export(path, "is no list of tasks")
    judged, empty = [], 0
    for task in tasks:
        data = task.get("data", task)  # JSON-MIN has the data beside the label
        chosen = _chosen(task)
        try:
            name, kind, text, weight = data["id"], data["task"], data["answer_sha256"], float(data["weight"])
        except (KeyError, TypeError, ValueError) as error:
            raise _no_export(path, f"has a task without {error}") from error
        if chosen is None:
            empty += 1
            continue
        written = ", ".join(chosen)
        label = None if written.lower() == UNCLEAR else read_label(written, kind, f"{path}, sample {name!r},")
        judged.append(Judged(str(name), kind, text, weight, label))
    return judged, empty


def _result(label: Label) -> dict[str, Any]:
    values = [label] if isinstance(label, str) else [str(au) for au in label] or [NO_AU]
    return {"from_name": FIELD, "to_name": "image", "type": "choices", "value": {"choices": values}}


def _chosen(task: dict[str, Any]) -> list[str] | None:
    if "annotations" not in task:
        value = task.get(FIELD)
        values = value.get("choices") if isinstance(value, dict) else value
        return [values] if isinstance(values, str) else list(values) if values else None
    for annotation in reversed([one for one in task["annotations"] if not one.get("was_cancelled")]):
        for result in annotation.get("result", ()):
            if result.get("from_name") == FIELD and result.get("value", {}).get("choices"):
                return list(result["value"]["choices"])
    return None


def _no_export(path: Path, problem: str) -> InputError:
    return InputError(
        f"The Label Studio export {path} {problem}.",
        "It is an export as JSON or JSON-MIN of the tasks that `audit --label-studio` wrote.",
        "Export the project anew.",
    )
