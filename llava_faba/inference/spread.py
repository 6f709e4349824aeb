"""Pictures -> the same answers from many machines: what an actor of the cluster opens, and what the driver writes.

The driver alone writes, by the same code and in the same order as a run on one machine, so either goes on with the
other's file. Actors load the model and hand back answers; the first of them also says what the model is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llava_faba.cluster.actors import RayEngine
from llava_faba.data.fabainstruct import refuse_missing_images
from llava_faba.errors import InputError
from llava_faba.face.crop import choose_detector, chosen_detector
from llava_faba.faces import FaceSample
from llava_faba.files import JsonLines
from llava_faba.host.compat import require_libraries
from llava_faba.inference.columns import columns
from llava_faba.inference.dataset import (
    Answers,
    answer_batches,
    append_answers,
    batches_of,
    join_record,
    model_record,
    request_record,
)
from llava_faba.inference.describer import Describer, Request
from llava_faba.inference.inputs import is_clip, name_of
from llava_faba.inference.rows import CsvRows
from llava_faba.inference.runs import start_or_resume
from llava_faba.inference.table import (
    FaceSelection,
    Summary,
    answered_rows,
    join_table_record,
    summary_of,
)


@dataclass(frozen=True)
class Loading:
    """How each actor loads the model: the keywords of `Describer.from_pretrained`, and what finds faces."""

    model_path: str
    model_base: str | None = None
    keywords: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 16
    detector: str = "dlib"

    def describer(self) -> Describer:
        """Load it here."""
        require_libraries()
        choose_detector(self.detector)
        return Describer.from_pretrained(self.model_path, self.model_base, batch_size=self.batch_size, **self.keywords)


@dataclass(frozen=True)
class Described:
    """What an actor says about the model, for the record of the run."""

    model: dict[str, Any]
    request: dict[str, Any]
    detector: str | None  # None: no faces are looked for


def describe_there(loading: Loading, request: Request, finds_faces: bool = False) -> Described:
    """Load the model where actors will, and say what it is."""
    return _described(loading.describer(), loading, request, finds_faces)


def _described(describer: Describer, loading: Loading, request: Request, finds_faces: bool) -> Described:
    return Described(
        model_record(describer, loading.model_path, loading.model_base),
        request_record(describer, request),
        chosen_detector().version if finds_faces else None,
    )


def open_model(loading: Loading, request: Request, found: Described) -> Describer:
    """Load the model in an actor; InputError where it is not what `found` says: another one, or in other numbers."""
    describer = loading.describer()
    here = _described(describer, loading, request, found.detector is not None)
    if here != found:
        now, then = ({**said.model, **said.request, "detector": said.detector} for said in (here, found))
        differing = [f"{key} is {now[key]!r}, was {then.get(key)!r}" for key in now if now[key] != then.get(key)]
        raise InputError(
            f"The model is not the one with which the run was begun: {'; '.join(differing)}.",
            "All nodes answer with one model, prior and detector, in the same numbers.",
            "Share the model's folder, install the same packages, or give --device, --dtype and --num-gpus.",
        )
    return describer


def answer_samples_on(
    engine: RayEngine,
    loading: Loading,
    samples: Sequence[FaceSample],
    request: Request,
    out: Path,
    data: Path,
    shard: str,
    image_root: Path | str | None,
) -> int:
    """Do what `answer_samples` does, and raise what it raises, by the actors of `engine`."""
    refuse_missing_images(samples)
    with JsonLines(out) as lines:
        found = engine.call(describe_there, loading, request)

        def answer(rest: Sequence[FaceSample]) -> Iterator[Answers]:
            bare = [replace(sample, conversations=[], reference=None) for sample in rest]
            batches = list(batches_of(bare, loading.batch_size))
            return engine.map(partial(_open_answering, loading, request, found), batches, bare[0].image_path)

        start_or_resume(out, join_record(found.model, found.request, request, data, shard, image_root))
        return append_answers(lines, samples, request, loading.batch_size, answer)


def _open_answering(loading: Loading, request: Request, found: Described) -> Callable[[Sequence[FaceSample]], Answers]:
    describer = open_model(loading, request, found)
    return lambda batch: next(iter(answer_batches(describer, request, batch)))


def write_table_on(
    engine: RayEngine,
    loading: Loading,
    files: Sequence[Path],
    request: Request,
    selection: FaceSelection,
    out: Path,
    shard: str,
) -> Summary:
    """Do what `write_table` does, and raise what it raises, by the actors of `engine`.

    A piece of work is a clip, or as many pictures as a batch has faces; batches end with it. So with several faces in
    a picture the last digits of probabilities may differ from those of a run on one machine.
    """
    names = columns(request.tasks, request.with_probabilities, request.with_evidence)

    found: list[Described] = []

    def claim() -> None:
        found.append(engine.call(describe_there, loading, request, selection.crop != "no"))
        model, asked, detector = found[0].model, found[0].request, found[0].detector
        record = join_table_record(model, asked, detector, files, request, selection)
        start_or_resume(out, {**record, "shard": shard}, "--csv")

    groups = _groups(files, loading.batch_size)
    with CsvRows(out, names, on_open=claim) as rows:
        there = [row["input"] for row in rows]
        begin, surplus = _place(there, groups)
        worker = partial(_open_table, loading, request, selection, found[0])
        done = sum(map(len, groups[:begin]))
        with tqdm(total=len(files), initial=done, unit="file", disable=None) as bar:
            remaining = groups[begin:]
            for group, made in zip(remaining, engine.map(worker, remaining, files[0] if files else None), strict=True):
                rows.append(made[surplus:])
                surplus = 0
                bar.update(len(group))
        return summary_of(rows)


def _open_table(
    loading: Loading, request: Request, selection: FaceSelection, found: Described
) -> Callable[[Sequence[Path]], list[dict[str, Any]]]:
    describer = open_model(loading, request, found)
    return lambda files: [row for batch in answered_rows(describer, files, request, selection) for row in batch]


def _groups(files: Sequence[Path], size: int) -> list[list[Path]]:
    """Consecutive files: clips one by one, pictures up to `size` together; they do not depend on what is done."""
    groups: list[list[Path]] = []
    for file in files:
        if not groups or is_clip(file) or is_clip(groups[-1][0]) or len(groups[-1]) == size:
            groups.append([])
        groups[-1].append(file)
    return groups


def _place(there: Sequence[str], groups: Sequence[Sequence[Path]]) -> tuple[int, int]:
    """The group in which a table stopped that holds rows of the files `there`, and how many rows of it are there."""
    if not there:
        return 0, 0
    last = there[-1]
    begin = next(number for number, group in enumerate(groups) if last in map(name_of, group))
    own = set(map(name_of, groups[begin]))
    return begin, sum(name in own for name in there)
