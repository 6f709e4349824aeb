"""Clips of a test set -> predictions.jsonl, a line a clip, made here or by the actors of a cluster.

Lines are appended in the order of the data. A rerun skips the clips that are there and tries failed ones again; at the
end the file is written anew, in the order of the data and without what failed before.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llava_faba.cluster.actors import RayEngine
from llava_faba.data.clips import ClipSample
from llava_faba.errors import InputError
from llava_faba.files import JsonLines, write_atomically
from llava_faba.inference.runs import checkpoint_record, start_or_resume
from llava_faba.motion.clips import BadClip
from llava_faba.motion.measures import measure_motion
from llava_faba.motion.trajectory import DLIB_68
from llava_faba.video.assessment import Assessor
from llava_faba.video.tracks import read_track

Row = dict[str, Any]


@dataclass(frozen=True)
class Predictor:
    """How a clip is predicted: the model, how it is loaded, where tracks are kept, and how long a report gets."""

    model_path: str
    model_base: str | None
    loading: dict[str, Any]
    cache: Path
    max_new_tokens: int

    def load(self) -> Assessor:
        """Load the model here."""
        return Assessor.from_pretrained(self.model_path, self.model_base, **self.loading)

    def predict(self, assessor: Assessor, sample: ClipSample) -> Row:
        """Assess a clip; what cannot be read is a row too, whose `failed` says why."""
        row: Row = {"id": sample.id, "expression": sample.expression, "patient": sample.patient}
        row |= {"rated": sample.severity, "severity": None, "interval": None, "report": None}
        row |= {"reference": reference_of(sample.conversations), "evidence_rate": None, "failed": None}
        try:
            track = read_track(sample, self.cache)
            measurable = track.clip.landmarks_px.shape[1] == DLIB_68.points
            record = assessor.assess(
                track,
                measure_motion(track.clip) if measurable else None,
                sample.expression,
                question=question_of(sample.conversations),
                max_new_tokens=self.max_new_tokens,
            )
        except BadClip as error:
            return row | {"failed": str(error)}
        evidence = record["evidence"] and record["evidence"]["rate"]
        return row | {key: record[key] for key in ("severity", "interval", "report")} | {"evidence_rate": evidence}


def predict_clips(
    predictor: Predictor,
    samples: Sequence[ClipSample],
    out: Path,
    claim: Callable[[dict[str, Any]], dict[str, Any]],
    engine: RayEngine | None = None,
) -> list[Row]:
    """Append the predictions that `out` lacks, by `engine` where there is one; return all, in the samples' order.

    `claim` is told `checkpoint`, `clips_seen`, `dtype` and `notes` of the model, and says what makes the predictions;
    what it raises stops the run. Raises InputError when `out` holds another run, or is being written.
    """
    with JsonLines(out) as lines:
        if engine is None:
            assessor = predictor.load()
            about = _about(predictor, assessor)
            predicted: Callable[[list[ClipSample]], Iterator[Row]] = partial(map, partial(predictor.predict, assessor))
        else:
            about = engine.call(_about_there, predictor)
            predicted = partial(_predicted_on, engine, predictor, about)
        start_or_resume(out, claim(about))
        done = {line["id"] for line in lines if line["failed"] is None}  # failed ones are tried again
        missing = [sample for sample in samples if sample.id not in done]
        for row in tqdm(predicted(missing), total=len(missing), unit="clip", disable=None):
            lines.append(row)
        latest = {row["id"]: row for row in lines}
        rows = [latest[sample.id] for sample in samples]
        write_atomically(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return rows


def _predicted_on(
    engine: RayEngine, predictor: Predictor, about: dict[str, Any], samples: list[ClipSample]
) -> Iterator[Row]:
    witness = next((sample.path for sample in samples if sample.path.exists()), None)
    return engine.map(partial(_open_predictor, predictor, about), samples, witness)


def _open_predictor(predictor: Predictor, about: dict[str, Any]) -> Callable[[ClipSample], Row]:
    assessor = predictor.load()
    here = _about(predictor, assessor)
    if here != about:
        raise InputError(
            f"The model is not the one with which the run was begun: {[key for key in here if here[key] != about[key]]}"
            " differ.",
            "All nodes predict with one model in the same numbers.",
            "Share the model's folder, or give --device, --dtype and --num-gpus.",
        )
    return partial(predictor.predict, assessor)


def _about_there(predictor: Predictor) -> dict[str, Any]:
    return _about(predictor, predictor.load())


def _about(predictor: Predictor, assessor: Assessor) -> dict[str, Any]:
    """What a run must know of its model."""
    model = assessor.model
    return {
        "checkpoint": checkpoint_record(predictor.model_path, predictor.model_base),
        "clips_seen": model.config.clips_seen,
        "dtype": str(model.dtype).removeprefix("torch."),
        "notes": assessor.notes,
    }


def question_of(conversations: list[dict[str, str]]) -> str | None:
    """Return the question that a sample was annotated with, without the mark of the clip."""
    return conversations[0]["value"].replace("<image>", "").strip() if conversations else None


def reference_of(conversations: list[dict[str, str]]) -> str | None:
    """Return the report that a sample was annotated with."""
    return conversations[1]["value"] if len(conversations) > 1 else None
