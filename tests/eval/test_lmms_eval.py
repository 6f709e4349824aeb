"""lmms-eval, unmodified, with its own `llava` model through a patched LLaVA, on the tasks that we ship.

It runs in an environment of its own beside this one (`lmms`), made as scripts/test.sh says.
"""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.eval.importers import import_answers
from llava_faba.files import write_json
from tests.conftest import REPOSITORY, other_environment, shared_path

TASKS = REPOSITORY / "llava_faba" / "eval" / "lmms_tasks"
SIDE = 112  # pixels: what the tiny model sees, so that priors from the pixels are those from the pictures
TOKENS = 32
SAMPLE = {
    "id": "1.png", "image": "1.png", "task": "emotion", "question": "What?", "label": "Fear", "reference": "Fear.",
}  # fmt: skip


def test_the_sample_files_are_read_with_their_labels(tmp_path):
    line = {"doc_id": 0, "input": "What?", "filtered_resps": "She looks afraid. ", "rege": {**SAMPLE, "answer": "?"}}
    (tmp_path / "samples.jsonl").write_text(json.dumps(line) + "\n")
    (answer,) = import_answers([tmp_path / "samples.jsonl"])
    assert (answer.id, answer.label, answer.answer) == ("1.png", "Fear", "She looks afraid.")


@pytest.mark.parametrize("answered", [{"filtered_resps": ["Fear."]}, {"resps": [["Fear."]]}])
def test_the_samples_of_another_task_are_placed_by_their_number(tmp_path, answered):
    (tmp_path / "samples.jsonl").write_text(json.dumps({"doc_id": 1, "input": "What?", **answered}) + "\n")
    entries = [{"image": f"{n}.png", "label": "Fear", "gpt4": "Fear."} for n in range(2)]
    references = write_json(tmp_path / "eval.json", entries)
    answers = import_answers([tmp_path / "samples.jsonl"], [references], "emotion")
    assert [(answer.image, answer.answer) for answer in answers] == [("0.png", ""), ("1.png", "Fear.")]


@pytest.fixture(scope="module")
def lmms() -> Path:
    """The interpreter of lmms-eval's environment."""
    return other_environment("lmms", "LLAVA_FABA_LMMS names another")


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    """Twenty real faces at the model's size, an evaluation file, and a training file from them."""
    source, folder = shared_path("faces"), tmp_path_factory.mktemp("faces")
    rows = list(csv.DictReader((source / "eval.csv").read_text().splitlines()))[:20]
    training, evaluation = [], []
    for number, row in enumerate(rows):
        with Image.open(source / row["image"]) as picture:
            picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
        text = f"The face shows {row['label'].lower()}; the corners are raised."
        evaluation.append({"image": f"{number}.png", "label": row["label"], "gpt4": text})
        turns = [("human", "What emotions are conveyed by this face?\n<image>"), ("gpt", text)]
        conversations = [{"from": who, "value": value} for who, value in turns]
        training.append({"id": str(number), "image": f"{number}.png", "conversations": conversations})
    write_json(folder / "eval.json", evaluation)
    write_json(folder / "train.json", training)
    return folder


@pytest.fixture(scope="module")
def model(faces, tmp_path_factory) -> Path:
    """A tiny LLaVA with the dlib prior that was trained on these faces, whole."""
    from llava_faba.host import compat

    compat.apply()
    from llava_faba.model.tiny import make_tiny_llava
    from tests.train.runs import flags, train

    folder = tmp_path_factory.mktemp("model")
    texts = [
        turn["value"] for entry in json.loads((faces / "train.json").read_text()) for turn in entry["conversations"]
    ]
    base = make_tiny_llava(folder / "llava-v1.5-tiny", texts)
    settings = {"facial_prior_tower": "dlib_68", "facial_prior_hidden_size": None, "facial_prior_dropout": 0.05}
    settings |= {"lora_enable": None, "mm_projector_lr": None, "learning_rate": 2e-3, "max_steps": 60}
    settings |= {"per_device_train_batch_size": 10, "num_train_epochs": 40}
    out = folder / "llava-v1.5-tiny-faba"
    ran = train(flags(base, faces / "train.json", out, **settings))
    assert ran.returncode == 0, ran.stdout[-3000:]
    return out


@pytest.fixture
def patched(tmp_path):
    """The environment in which `import llava` finds a patched copy of LLaVA, and our plugin is installed."""
    from llava_faba.host import patching
    from llava_faba.host.fingerprints import installed_llava

    tree = tmp_path / "tree"
    shutil.copytree(installed_llava(), tree / "llava", ignore=shutil.ignore_patterns("__pycache__"))
    patching.apply(tree)
    metadata = tree / "llava_faba-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: llava-faba\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[llava.plugins]\nfaba = llava_faba.plugin:attach\n")
    own = {"PYTHONPATH": os.pathsep.join([str(tree), str(REPOSITORY)]), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own, "CUDA_VISIBLE_DEVICES": "", "HF_HOME": str(tmp_path / "hub")}


@pytest.mark.slow
def test_its_answers_are_those_of_describe_and_its_score_is_ours(lmms, faces, model, patched, tmp_path):
    out = tmp_path / "lmms"
    command = [lmms, "-m", "lmms_eval", "--include_path", TASKS, "--model", "llava", "--tasks", "faba_bench_emotion"]
    command += ["--model_args", f"pretrained={model},device_map=auto,device=cpu", "--batch_size", 4]
    command += ["--gen_kwargs", f"max_new_tokens={TOKENS}", "--log_samples", "--output_path", out]
    named = {"FABA_EMOTION": str(faces / "eval.json"), "FABA_IMAGES": str(faces), "FABA_RULES": "paper"}
    ran = subprocess.run([str(word) for word in command], env=patched | named, capture_output=True, text=True, cwd="/")
    results, samples = (sorted(out.rglob(f"*_{name}")) for name in ("results.json", "samples_faba_bench_emotion.jsonl"))
    # It ends with status 0 whatever happens.
    assert len(results) == len(samples) == 1, ran.stdout[-2000:] + ran.stderr[-3000:]

    answers = tmp_path / "answers.jsonl"
    described = ["describe", "--model-path", model, "--data", faces / "eval.json", "--image-root", faces]
    described += ["--task", "emotion", "--out", answers, "--max-new-tokens", TOKENS, "--device", "cpu"]
    assert cli.main([str(word) for word in described]) == 0
    ours = {line["image"]: line["answer"] for line in map(json.loads, answers.read_text().splitlines())}
    theirs = {answer.image: answer.answer for answer in import_answers(samples)}
    assert len(ours) == 20 and theirs == ours

    scores = []
    for file in (answers, samples[0]):
        where = tmp_path / f"{file.stem}.json"
        assert cli.main(["score", str(file), "--rules", "paper", "--json", str(where)]) == 0
        scores.append(json.loads(where.read_text())[0])
    measured = json.loads(results[0].read_text())["results"]["faba_bench_emotion"]
    for name in ("s_re", "s_ge", "rege"):
        assert scores[0][name] == scores[1][name] == pytest.approx(measured[f"{name},none"])
    assert scores[0]["s_re"] > 30, "the model has learned too little to compare anything"
