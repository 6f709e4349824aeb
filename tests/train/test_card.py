"""Model cards: what a run recorded stands in it, what only concerns the machine does not."""

import json

import pytest

from llava_faba import cli
from llava_faba.errors import InputError
from llava_faba.train.card import model_card

RECORD = {
    "base_model": "/home/ann/models/llava-v1.5-7b",
    "data": [{"file": "train.json", "sha256": "ab" * 32}],
    "n_samples": 19474,
    "prior": {
        "name": "insightface_2d106",
        "version": "0123-box1",
        "size": 212,
        "projector_type": "mlp2x_gelu",
        "position": "after",
        "normalisation": "fit",
        "dropout": 0.1,
    },
    "trained": {"method": "lora", "lora": {"r": 128, "alpha": 256}, "facial_prior_projector": True},
    "seed": 1,
    "learning_rates": {"base": 2e-4},
    "batch": {"per_device": 16, "ranks": 8, "total": 128},
    "epochs": 1.0,
    "max_steps": None,
    "versions": {"torch": "2.13.0", "bitsandbytes": None},
    "flags": {"output_dir": "/home/ann/out/my-faba", "data_path": ["/home/ann/data/train.json"], "lora_r": 128},
}
SIGNATURE = "REGE|task:au|rules:emola|rouge:rouge==1.0.1,L,f|n:325|failed:2|v:0.1.0 = 90.10"
SCORE = {
    "task": "au",
    "dataset": "faba",
    "rules": "emola",
    "n": 325,
    "failed": 2,
    "s_re": 55.1,
    "s_ge": 35.0,
    "rege": 90.1,
    "ci95": {"rege": [88.2, 92.3]},
    "signature": SIGNATURE,
}


@pytest.fixture
def run_folder(tmp_path):
    folder = tmp_path / "my-faba"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(RECORD))
    (tmp_path / "scores.json").write_text(json.dumps([SCORE]))
    return folder


def test_what_was_recorded_stands_in_the_card(run_folder, tmp_path):
    card = model_card(run_folder, [tmp_path / "scores.json"], licence="llama2")
    for fact in ("my-faba", "llava-v1.5-7b", "ab" * 32, "19474", "insightface_2d106", "dropout 0.1", "rank 128"):
        assert fact in card
    assert SIGNATURE in card and "90.10 (88.20 to 92.30)" in card
    assert "non-commercial" in card and "Not for decisions about people" in card and "dissent" in card
    assert card.startswith("---\n") and "license: llama2\n" in card.split("---")[1]


def test_no_folder_of_the_machine_stands_in_the_card(run_folder):
    card = model_card(run_folder)
    assert "ann/" not in card and "/home" not in card


def test_a_card_that_is_there_is_kept(run_folder, capsys):
    assert cli.main(["card", str(run_folder)]) == 0
    (run_folder / "README.md").write_text("mine")
    assert cli.main(["card", str(run_folder)]) == 2
    assert (run_folder / "README.md").read_text() == "mine" and "--force" in capsys.readouterr().err
    assert cli.main(["card", str(run_folder), "--force"]) == 0
    assert "mine" != (run_folder / "README.md").read_text()


def test_pefts_blank_form_is_written_over(run_folder):
    """peft puts one beside every adapter, also at each save, so that no LoRA run ever got a card."""
    from peft import LoraConfig, get_peft_model
    from torch import nn

    model = get_peft_model(nn.Sequential(nn.Linear(2, 2)), LoraConfig(target_modules=["0"]))
    model.create_or_update_model_card(str(run_folder))
    assert "# Model Card for Model ID" in (run_folder / "README.md").read_text()
    assert cli.main(["card", str(run_folder)]) == 0
    assert "finetuned with llava-faba" in (run_folder / "README.md").read_text()


def test_the_front_matter_is_what_the_hub_reads(run_folder, tmp_path):
    from huggingface_hub import ModelCard

    record = RECORD | {"base_model": "liuhaotian/llava-v1.5-7b", "base_revision": "4481d270cc22fd"}
    (run_folder / "run.json").write_text(json.dumps(record))
    card = ModelCard(model_card(run_folder, [tmp_path / "scores.json"], licence="llama2"))
    assert card.data.base_model == "liuhaotian/llava-v1.5-7b" and "at 4481d270cc22fd" in card.text
    assert {result.metric_type: result.metric_value for result in card.data.eval_results} == {
        "s_re": 55.1, "s_ge": 35.0, "rege": 90.1,
    }  # fmt: skip


CLIP_SCORE = {
    "n": 40, "rated": 38, "spearman_mean": 0.61, "all": {"n": 38, "spearman": 0.58, "mae": 0.7},
    "per_expression": {"smile": {"n": 38, "spearman": 0.61, "mae": 0.7}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("objective", "trained", "absent"),
    [
        (
            "joint",
            "mm_projector and severity path and motion projection and fusion projection",
            "the severity path alone",
        ),
        ("severity", "the severity path alone, the LLM frozen", "motion projection"),
        ("report", "mm_projector and motion projection and fusion projection", "and severity path"),
    ],
)
def test_a_clip_models_card_is_about_clips(run_folder, tmp_path, objective, trained, absent):
    record = RECORD | {"prior": None, "trained": RECORD["trained"] | {"mm_projector": True}}
    (run_folder / "run.json").write_text(json.dumps(record))
    (run_folder / "severity.safetensors").touch()
    (run_folder / "config.json").write_text(json.dumps({"feqa_objective": objective, "expressions": ["smile"]}))
    (tmp_path / "scores.json").write_text(json.dumps(CLIP_SCORE))
    card = model_card(run_folder, [tmp_path / "scores.json"])
    told = card.partition("## The run's record")[0]
    assert trained in told and absent not in told and "facial_prior_projector" not in told
    assert "one picture" not in told and "expression (smile)" in told and "0.61" in told
    assert ("written report" in told) == (objective != "severity") and "spearman_mean" in told.split("---")[1]


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"base_model": "x"}'])
def test_what_is_no_record_is_refused(run_folder, text):
    (run_folder / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json"):
        model_card(run_folder)


@pytest.mark.parametrize("scores", ["{}", "[1]", '[{"task": "au"}]'])
def test_what_is_no_score_file_is_refused(run_folder, tmp_path, scores):
    (tmp_path / "scores.json").write_text(scores)
    with pytest.raises(InputError, match="signatures"):
        model_card(run_folder, [tmp_path / "scores.json"])
