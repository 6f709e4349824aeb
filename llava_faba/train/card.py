"""A training run's own record, and its scores -> a model card: what the model is, what it was trained on, how well it
does, and what it must not be used for.

Folders of the machine that trained it are left out: a card is for strangers.
"""

import json
import math
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, missing_extra
from llava_faba.files import read_json
from llava_faba.vocabulary import EXPRESSIONS, MAX_SEVERITY, RUN_RECORD, SEVERITY_WEIGHTS

# Who is harmed: privacy, misjudgement, abuse, as in the supplement of arXiv 2404.05052, A.2. Work and schools, and the
# two exceptions: Regulation (EU) 2024/1689, article 5(1)(f), https://eur-lex.europa.eu/eli/reg/2024/1689/oj; that
# expressions vary between cultures, situations and within a person: its recital 44. Movements are not feelings: Barrett
# et al. 2019, doi 10.1177/1529100619832930.
LIMITS = """
**Not for decisions about people.** Not for hiring, school, insurance, policing, border control, court, credit, or any
watching of people who do not know of it. In the European Union inferring emotions at work and in schools is prohibited
but for medical or safety reasons (Regulation (EU) 2024/1689, article 5(1)(f)). It is no medical device: it finds no
illness, pain, lie or intention.

**Who is harmed by errors.**
- *People whose faces are recorded without knowing it*: a face is biometric data, and they cannot object.
- *People who are misread*: a wrong label of anger or fear can follow somebody into a security check or a court room.
  Models err more on faces that their training set shows rarely: by age, skin, culture, disability, facial palsy or
  Parkinson's disease, veils, glasses and beards.
- *People under surveillance*: such systems have been built to press down dissent and to watch political life.

**What an answer is.** A face shows movements, named here as action units (AU) of the Facial Action Coding System. The
same movement goes with different feelings in different people and places. A model also invents: check every sentence
against the picture. Probabilities are the model's own and may be off.
"""
CITATION = "https://arxiv.org/abs/2404.05052"
CLIP_CITATION = "https://arxiv.org/abs/2606.26942"
PHOTO_USE = (
    "Research on facial expression: describing the emotion and the action units that one picture of one face shows, "
    "checked by a person."
)
PLACEHOLDERS = 10  # blanks at least in PEFT's untouched form, which has some forty
WEIGHT_TERMS = {  # what a prior's own model asks for: reference facts at the sources named
    "insightface": "InsightFace's models are for non-commercial research only (insightface 2.1, METADATA).",
    "emola": "InsightFace's 2d106det is for non-commercial research only (insightface 2.1, METADATA).",
    # https://github.com/davisking/dlib-models#shape_predictor_68_face_landmarksdatbz2
    "dlib": "dlib's landmark model was trained on iBUG 300-W, whose licence excludes commercial use.",
}


def model_card(
    folder: str | Path, scores: list[str | Path] | None = None, name: str | None = None, licence: str | None = None
) -> str:
    """Write the card of the model in `folder` from its run.json and its files of scores.

    `scores` are what `llava-faba score --json` wrote, of a model of clips `llava-faba evaluate-clips --json`.
    """
    folder = Path(folder).expanduser().resolve()
    record = read_json(folder / RUN_RECORD, "training record")
    if not isinstance(record, dict) or not {"base_model", "data", "trained"} <= set(record):
        raise InputError(
            f"{folder / RUN_RECORD} is no record of a training run.",
            "It is the file that llava-faba's training wrote beside the model.",
            "Give the output folder of a training run.",
        )
    settings = read_json(folder / "config.json", "model's config") if (folder / "config.json").is_file() else {}
    clips = (folder / SEVERITY_WEIGHTS).is_file() or "feqa_objective" in settings
    rows = [row for file in scores or [] for row in _scores(file)]
    name = name or folder.name
    parts = [
        _front_matter(record, name, rows, licence, clips),
        f"# {name}\n\nA LLaVA that reads {'clips of faces' if clips else 'faces'}, finetuned with llava-faba.",
        "## What it must not be used for, and who is harmed when it is wrong\n" + LIMITS.rstrip(),
        "## Intended use\n\n" + (_clip_use(settings) if clips else PHOTO_USE),
        "## How it was trained\n\n" + _training(record, settings if clips else None),
        "## Scores\n\n" + _score_tables(rows, clips),
        "## Terms and sources\n\n" + _terms(record, licence, clips),
        "## The run's record\n\n```json\n" + json.dumps(_anonymous(record), indent=1, ensure_ascii=False) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def is_placeholder(text: str) -> bool:
    """Whether a README.md is the form that PEFT writes beside every adapter, in which nobody has filled in anything."""
    return "# Model Card for Model ID" in text and text.count("[More Information Needed]") >= PLACEHOLDERS


def _clip_use(settings: dict[str, Any]) -> str:
    expressions = ", ".join(settings.get("expressions") or EXPRESSIONS).replace("_", " ")
    reports = "" if settings.get("feqa_objective") == "severity" else ", with a written report"
    return (
        f"Research on facial expression: rating how severely one person's posed expression ({expressions}) is impaired "
        f"in one clip, from 0 (normal) to {MAX_SEVERITY} (severe){reports}, checked by a clinician."
    )


def _front_matter(
    record: dict[str, Any], name: str, rows: list[dict[str, Any]], licence: str | None, clips: bool
) -> str:
    """What the hub reads: licence, base model, tags, and the scores as its model-index."""
    try:
        from huggingface_hub import ModelCardData
    except ImportError as error:
        raise missing_extra("huggingface_hub", "train", "A model card") from error
    base = _short(record["base_model"])
    tags = ["llava", "facial-expression", *(["severity", "video"] if clips else ["action-units"])]
    results = [result for row in rows for result in _results(row)]
    data = ModelCardData(
        library_name="llava-faba",
        pipeline_tag="video-text-to-text" if clips else "image-text-to-text",
        license=licence,
        base_model=base if base.count("/") == 1 else None,
        tags=tags,
        **({"model_name": name, "eval_results": results} if results else {}),
    )
    return f"---\n{data.to_yaml().rstrip()}\n---"


def _results(row: dict[str, Any]) -> list[Any]:
    """One score as the hub's evaluation results; what is not defined is left out."""
    from huggingface_hub import EvalResult

    if "signature" in row:
        values = [(metric, row.get(metric)) for metric in ("s_re", "s_ge", "rege")]
        what, data, more = row["task"], row["dataset"], {"rules": row["rules"], "signature": row["signature"]}
    else:
        values = [("spearman_mean", row["spearman_mean"]), ("mae", (row.get("all") or {}).get("mae"))]
        what, data, more = "severity", "clips", {"rated": row.get("rated")}
    return [
        EvalResult(
            task_type="video-text-to-text" if what == "severity" else "image-text-to-text",
            task_name=what,
            dataset_type=data,
            dataset_name=f"{data} ({what})",
            metric_type=metric,
            metric_name=metric.replace("_", " "),
            metric_value=round(value, 4),
            metric_args=more,
        )
        for metric, value in values
        if isinstance(value, int | float) and math.isfinite(value)
    ]


def _training(record: dict[str, Any], clips: dict[str, Any] | None) -> str:
    """The table of the run; `clips` is the configuration of a model of clips."""
    trained, prior, batch = record["trained"], record.get("prior"), record.get("batch") or {}
    lora, revision = trained.get("lora"), record.get("base_revision")
    how = f"{trained['method']}" + (f", rank {lora['r']}, alpha {lora['alpha']}" if lora else "")
    parts = ["mm_projector"] if trained.get("mm_projector") else []
    parts += ["facial_prior_projector"] if prior and trained.get("facial_prior_projector") else []
    if clips is not None:
        how, parts = _clip_parts(clips.get("feqa_objective"), how, parts)
    rows = [
        ("Base model", _short(record["base_model"]) + (f" at {revision}" if revision else "")),
        ("Data", "; ".join(f"{d['file']} (SHA-256 `{d['sha256']}`)" for d in record["data"])),
        ("Samples", record.get("n_samples")),
        (
            "Facial prior",
            "none"
            if not prior
            else f"{prior['name']} ({prior['version']}), length {prior['size']}, {prior['projector_type']}, "
            f"{prior['position']} the visual tokens, normalisation {prior['normalisation']}, "
            f"dropout {prior['dropout']}",
        ),
        ("Trained", how + (f"; with it {' and '.join(parts)}" if parts else "")),
        ("Learning rates", ", ".join(f"{k} {v:g}" for k, v in (record.get("learning_rates") or {}).items())),
        ("Batch", f"{batch.get('total')} ({batch.get('per_device')} a device, {batch.get('ranks')} devices)"),
        ("Length", f"{record.get('max_steps')} steps" if record.get("max_steps") else f"{record.get('epochs')} epochs"),
        ("Seed, precision, device", f"{record.get('seed')}, {record.get('precision')}, {record.get('device')}"),
        ("Versions", ", ".join(f"{k} {v}" for k, v in (record.get("versions") or {}).items() if v)),
    ]
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | {_cell(value)} |" for name, value in rows)


def _clip_parts(objective: str | None, how: str, parts: list[str]) -> tuple[str, list[str]]:
    """What a run on clips trains, by its objective: `severity` the path alone, `report` all but it, `joint` both."""
    if objective == "severity":
        return "the severity path alone, the LLM frozen", []
    path = [] if objective == "report" else ["severity path"]
    return how, [*parts, *path, "motion projection", "fusion projection"]


def _scores(file: str | Path) -> list[dict[str, Any]]:
    """The rows of `score --json`, or the one object of `evaluate-clips --json`."""
    found = read_json(file, "score file")
    if isinstance(found, dict) and "spearman_mean" in found:
        return [found]
    if not isinstance(found, list) or not all(isinstance(row, dict) and "signature" in row for row in found):
        raise InputError(
            f"The score file {file} holds no scores with signatures.",
            "It is what `llava-faba score ANSWERS.jsonl --json SCORES.json` writes, for clips `evaluate-clips --json`.",
            "Score the answers again, and give that file.",
        )
    return found


def _score_tables(rows: list[dict[str, Any]], clips: bool) -> str:
    if not rows:
        steps = "evaluate-clips --json`" if clips else "describe`, then `llava-faba score --json`"
        return f"Not scored yet: `llava-faba {steps}, then this card again."
    faces = [row for row in rows if "signature" in row]
    tables = [_score_table(faces)] if faces else []
    return "\n\n".join([*tables, *(_clip_table(row) for row in rows if "signature" not in row)])


def _score_table(rows: list[dict[str, Any]]) -> str:
    table = ["| task | data | rules | n | failed | S_re | S_ge | REGE (95 %) |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        low, high = (row.get("ci95") or {}).get("rege") or (None, None)
        cells = [row.get("task"), row.get("dataset"), row.get("rules"), row.get("n"), row.get("failed")]
        cells += [_figure(row.get("s_re")), _figure(row.get("s_ge"))]
        cells += [f"{_figure(row.get('rege'))} ({_figure(low)} to {_figure(high)})"]
        table.append("| " + " | ".join(map(_cell, cells)) + " |")
    signatures = "\n".join(f"- `{row['signature']}`" for row in rows)
    return "\n".join(table) + f"\n\nS_re is recognition, S_ge ROUGE-L, REGE their sum ({CITATION}).\n\n{signatures}"


def _clip_table(row: dict[str, Any]) -> str:
    table = ["| expression | clips | Spearman | mean error (0 to 4) |", "|---|---|---|---|"]
    for name, group in [*(row.get("per_expression") or {}).items(), ("all", row.get("all") or {})]:
        cells = [name.replace("_", " "), group.get("n"), _figure(group.get("spearman")), _figure(group.get("mae"))]
        table.append("| " + " | ".join(map(_cell, cells)) + " |")
    means = f"Mean of the expressions' Spearman correlations: {_figure(row['spearman_mean'])}."
    return "\n".join(table) + f"\n\n{row.get('rated')} of {row.get('n')} clips were rated and predicted. {means}"


def _terms(record: dict[str, Any], licence: str | None, clips: bool) -> str:
    lines = [f"- This model: {licence}." if licence else "- This model: its licence was not stated to the card."]
    lines.append("- The base model's licence goes with it, and so do the terms of the training data.")
    prior = (record.get("prior") or {}).get("name", "") or ("dlib" if clips else "")  # clips are tracked by dlib
    lines += [f"- {text}" for start, text in WEIGHT_TERMS.items() if any(p.startswith(start) for p in prior.split("+"))]
    method = f"TraMP-LLaMA's, as its figure shows it, {CLIP_CITATION}" if clips else f"EmoLA's, {CITATION}"
    lines.append(f"- The method: {method}.")
    return "\n".join(lines)


def _anonymous(value: Any) -> Any:
    """The record with the last part of every path in place of the path."""
    if isinstance(value, dict):
        return {key: _anonymous(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_anonymous(inner) for inner in value]
    return _short(value) if isinstance(value, str) else value


def _short(text: str) -> str:
    """A path's last part; a name of the hub, "owner/model", as it is."""
    text = str(text)
    is_path = text.startswith(("/", "~", ".")) or "\\" in text or text.count("/") > 1
    return text.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] if is_path else text


def _figure(value: float | None) -> str:
    return "not defined" if value is None or not math.isfinite(value) else f"{value:.2f}"


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
