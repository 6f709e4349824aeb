"""A training run's own record, and its scores -> a model card: what the model is, what it was trained on, how well it
does, and what it must not be used for.

Folders of the machine that trained it are left out: a card is for strangers.
"""

import json
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError
from llava_faba.files import read_json
from llava_faba.vocabulary import RUN_RECORD

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
WEIGHT_TERMS = {  # what a prior's own model asks for: reference facts at the sources named
    "insightface": "InsightFace's models are for non-commercial research only (insightface 2.1, METADATA).",
    "emola": "InsightFace's 2d106det is for non-commercial research only (insightface 2.1, METADATA).",
    # https://github.com/davisking/dlib-models#shape_predictor_68_face_landmarksdatbz2
    "dlib": "dlib's landmark model was trained on iBUG 300-W, whose licence excludes commercial use.",
}


def model_card(
    folder: str | Path, scores: list[str | Path] | None = None, name: str | None = None, licence: str | None = None
) -> str:
    """Write the card of the model in `folder` from its run.json and from files of `llava-faba score --json`."""
    folder = Path(folder).expanduser().resolve()
    record = read_json(folder / RUN_RECORD, "training record")
    if not isinstance(record, dict) or not {"base_model", "data", "trained"} <= set(record):
        raise InputError(
            f"{folder / RUN_RECORD} is no record of a training run.",
            "It is the file that llava-faba's training wrote beside the model.",
            "Give the output folder of a training run.",
        )
    rows = [row for file in scores or [] for row in _scores(file)]
    parts = [
        _front_matter(record, licence),
        f"# {name or folder.name}\n\nA LLaVA that reads faces, finetuned with llava-faba.",
        "## What it must not be used for, and who is harmed when it is wrong\n" + LIMITS.rstrip(),
        "## Intended use\n\nResearch on facial expression: describing the emotion and the action units that one "
        "picture of one face shows, checked by a person.",
        "## How it was trained\n\n" + _training(record),
        "## Scores\n\n" + _score_table(rows),
        "## Terms and sources\n\n" + _terms(record, licence),
        "## The run's record\n\n```json\n" + json.dumps(_anonymous(record), indent=1, ensure_ascii=False) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(record: dict[str, Any], licence: str | None) -> str:
    base = _short(record["base_model"])
    lines = ["---", "library_name: llava-faba", "pipeline_tag: image-text-to-text"]
    lines += [f"license: {licence}"] if licence else []
    if not Path(str(record["base_model"])).is_absolute():
        lines += [f"base_model: {base}"]
    lines += ["tags:", "- llava", "- facial-expression", "- action-units", "---"]
    return "\n".join(lines)


def _training(record: dict[str, Any]) -> str:
    trained, prior, batch = record["trained"], record.get("prior"), record.get("batch") or {}
    lora = trained.get("lora")
    how = f"{trained['method']}" + (f", rank {lora['r']}, alpha {lora['alpha']}" if lora else "")
    parts = [part for part in ("mm_projector", "facial_prior_projector") if trained.get(part)]
    rows = [
        ("Base model", _short(record["base_model"])),
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


def _scores(file: str | Path) -> list[dict[str, Any]]:
    found = read_json(file, "score file")
    if not isinstance(found, list) or not all(isinstance(row, dict) and "signature" in row for row in found):
        raise InputError(
            f"The score file {file} holds no scores with signatures.",
            "It is what `llava-faba score ANSWERS.jsonl --json SCORES.json` writes.",
            "Score the answers again, and give that file.",
        )
    return found


def _score_table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Not scored yet: `llava-faba describe`, then `llava-faba score --json`, then this card again."
    table = ["| task | data | rules | n | failed | S_re | S_ge | REGE (95 %) |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        low, high = (row.get("ci95") or {}).get("rege") or (None, None)
        cells = [row.get("task"), row.get("dataset"), row.get("rules"), row.get("n"), row.get("failed")]
        cells += [_figure(row.get("s_re")), _figure(row.get("s_ge"))]
        cells += [f"{_figure(row.get('rege'))} ({_figure(low)} to {_figure(high)})"]
        table.append("| " + " | ".join(map(_cell, cells)) + " |")
    signatures = "\n".join(f"- `{row['signature']}`" for row in rows)
    return "\n".join(table) + f"\n\nS_re is recognition, S_ge ROUGE-L, REGE their sum ({CITATION}).\n\n{signatures}"


def _terms(record: dict[str, Any], licence: str | None) -> str:
    lines = [f"- This model: {licence}." if licence else "- This model: its licence was not stated to the card."]
    lines.append("- The base model's licence goes with it, and so do the terms of the training data.")
    prior = (record.get("prior") or {}).get("name", "")
    lines += [f"- {text}" for start, text in WEIGHT_TERMS.items() if any(p.startswith(start) for p in prior.split("+"))]
    lines.append(f"- The method: Facial Affective Behavior Analysis with Instruction Tuning, {CITATION}.")
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
    return "not defined" if value is None else f"{value:.2f}"


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
