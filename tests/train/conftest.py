"""Runs that several tests look at are made once, and tiny Llama tokenizers, both kinds (`legacy` true and false)."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import sentencepiece

from tests.train.runs import deepspeed_flag, flags, make_data, make_validation, train


@dataclass(frozen=True)
class Finished:
    """A run that ended well: where it wrote, what was watched, what it printed, and its flags."""

    launcher: str
    out: Path
    spy: Path
    output: str
    changes: dict


@pytest.fixture(scope="session")
def face_data(tmp_path_factory) -> Path:
    """The training file of twelve pictures with recorded priors."""
    return make_data(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="session")
def validation_files(face_data) -> tuple[Path, Path]:
    """Evaluation files of five pictures that are not trained on: emotions and AUs."""
    return make_validation(face_data)


@pytest.fixture(scope="session")
def finished(tiny_llava, face_data, tmp_path_factory):
    """finished(launcher, **changed flags) -> Finished; eight steps over three epochs, checkpoints after 4 and 8."""
    known: dict[tuple, Finished] = {}

    def make(launcher: str = "plain", **changes) -> Finished:
        key = (launcher, *sorted(changes.items()))
        if key not in known:
            folder = tmp_path_factory.mktemp(launcher)
            steps = {"max_steps": 8, "num_train_epochs": 3, "save_strategy": "steps", "save_steps": 4}
            batch = {"per_device_train_batch_size": 4 if launcher == "plain" else 2}
            changed = {**steps, **batch, **deepspeed_flag(launcher), **changes}
            (folder / "spy").mkdir()
            ran = train(
                flags(tiny_llava, face_data, folder / "out", **changed),
                launcher,
                "tests.train.spy",
                SPY=str(folder / "spy"),
            )
            assert ran.returncode == 0, ran.stdout[-4000:]
            known[key] = Finished(launcher, folder / "out", folder / "spy", ran.stdout, changed)
        return known[key]

    return make


TEXTS = [
    "A chat between a curious user and an artificial intelligence assistant.",
    "The assistant gives helpful, detailed, and polite answers to the user's questions.",
    "What emotions are conveyed by this face? What AUs are conveyed by this face?",
    "The woman smiles: AU6 (cheek raiser) and AU12 (lip corner puller) are present, her eyes are narrowed.",
    *["USER: Describe her face. ASSISTANT: She looks happy."] * 3,
    "Happiness Sadness Surprise Anger Neutral Disgust Fear. You are a helpful language and vision assistant.",
]


def tiny_tokenizer(folder, legacy: bool):
    """A Llama tokenizer of 560 pieces; USER and ASSISTANT are one piece each, which LLaVA's own masks rely on."""
    from transformers import LlamaTokenizer

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20),
        model_writer=model,
        vocab_size=560,
        model_type="bpe",
        byte_fallback=True,
        remove_extra_whitespaces=False,  # its default loses the space behind "ASSISTANT:" on transformers 4.37
        normalization_rule_name="identity",
        minloglevel=2,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {"tokenizer_class": "LlamaTokenizer", "legacy": legacy, "add_bos_token": True, "add_eos_token": False}
        )
    )
    tokenizer = LlamaTokenizer.from_pretrained(folder, model_max_length=512, padding_side="right")
    tokenizer.pad_token = tokenizer.unk_token
    return tokenizer


@pytest.fixture(scope="session", params=[True, False], ids=["legacy", "not-legacy"])
def tokenizer(request, tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"), request.param)


@pytest.fixture(scope="session", autouse=True)
def llava_importable():
    from llava_faba.host import compat

    compat.apply(training=True)
