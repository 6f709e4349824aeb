"""vLLM serves merged checkpoints as they are: its greedy tokens are describe's, whatever the prior and its position."""

import os
import subprocess

import pytest
import torch
from PIL import Image

from llava_faba.data.prompts import QUESTIONS
from llava_faba.inference.describer import Describer
from llava_faba.starter.folder import starter_model
from tests.serving.conftest import CPU
from tests.serving.models import described, make_base, make_merged

pytestmark = pytest.mark.vllm
NEAR = 1e-4  # of log probabilities in float32
KINDS = {
    "after": {},
    "before": {"facial_prior_position": "before"},
    "only": {"facial_prior_position": "only"},
    "two priors": {
        "facial_prior_tower": "dlib_68+expression",
        "facial_prior_hidden_size": 143,
        "facial_prior_sizes": [136, 7],
    },
    "learned empty": {"facial_prior_dropout": 0.1},
}


def compare(ours: list[dict], theirs: list[dict]) -> float:
    """The largest difference of log probabilities; tokens part only where the two likeliest are as near as that."""
    worst = 0.0
    assert len(ours) == len(theirs)
    for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        for step, (token, log, gap) in enumerate(zip(a["ids"], a["logs"], a["gaps"], strict=False)):
            if token != b["ids"][step]:
                assert gap < NEAR, f"answer {number} parts at token {step}, where the second likeliest is {gap} behind"
                print(f"answer {number} parts at token {step}: the two likeliest are {gap} apart")
                break
            worst = max(worst, abs(log - b["logs"][step]))
    assert worst < NEAR
    return worst


@pytest.fixture(scope="module")
def said(tmp_path_factory, ask_vllm, faces):
    """What describe and vLLM say, by kind of model: {kind: (ours, theirs, asks)}; one process loads them all."""
    folder = tmp_path_factory.mktemp("models")
    base = make_base(folder / "base")
    blank = folder / "blank.png"
    Image.new("RGB", (96, 128), (90, 140, 60)).save(blank)
    question = QUESTIONS["emotion"]
    asks = {"starter": [{"picture": face, "question": QUESTIONS[task]} for face in faces for task in QUESTIONS]}
    generator = torch.Generator().manual_seed(3)
    given = [
        {"picture": face, "question": question, "prior": torch.randn(143, generator=generator).tolist()}
        for face in faces[:6]
    ]
    asks["starter"] += given
    models = {"starter": starter_model()}
    for kind, fields in KINDS.items():
        models[kind] = make_merged(base, folder / kind.replace(" ", "-"), **fields)
        asks[kind] = [{"picture": face, "question": question} for face in faces[:4]]
    asks["learned empty"].append({"picture": str(blank), "question": question})
    kinds = [kind for kind in models if kind != "adapter"]
    theirs = ask_vllm([{"folder": str(models[kind]), "asks": asks[kind]} for kind in kinds])
    describers = {kind: Describer.from_pretrained(models[kind], device="cpu", dtype="float32") for kind in kinds}
    return {
        kind: (described(describers[kind], asks[kind]), answered, asks[kind])
        for kind, answered in zip(kinds, theirs, strict=True)
    }


@pytest.mark.parametrize("kind", ["starter", *KINDS])
def test_greedy_tokens_are_those_of_describe(said, kind):
    ours, theirs, _ = said[kind]
    worst = compare(ours, theirs)
    equal = sum(a["ids"] == [token for token in b["ids"] if token != 2] for a, b in zip(ours, theirs, strict=True))
    print(f"{kind}: {equal} of {len(ours)} answers equal, log probabilities differ by {worst:.1e} at most")
    assert equal >= len(ours) - 1


PROGRAM = """
import sys, vllm
from transformers import AutoConfig, LlamaConfig
from llava_faba.serving.plugin import register
{break_it}
register(); register()
LlamaConfig(num_hidden_layers=1).save_pretrained(sys.argv[2])
print(AutoConfig.from_pretrained(sys.argv[2]).model_type)
AutoConfig.from_pretrained(sys.argv[1])
"""


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        ("vllm.__version__ = '0.33.1'", "vLLM 0.33.1 is installed here. llava-faba serves through vLLM 0.32.*"),
        ("sys.modules['jaxtyping'] = None", "pip install 'llava-faba[vllm]'"),
    ],
)
def test_what_is_not_as_it_must_be_refuses_our_models_and_no_others(vllm, tmp_path, break_it, said):
    command = [vllm, "-c", PROGRAM.format(break_it=break_it), starter_model(), tmp_path]
    ran = subprocess.run(command, env={**os.environ, **CPU}, capture_output=True, text=True)
    assert ran.stdout.split()[-1] == "llama", ran.stderr[-2000:]
    assert said in ran.stderr.splitlines()[-1]


def test_another_prior_gives_other_logits(said):
    _, theirs, asks = said["starter"]
    read = {
        ask["picture"]: answer
        for ask, answer in zip(asks, theirs, strict=True)
        if ask["question"] == QUESTIONS["emotion"] and not ask.get("prior")
    }
    given = [(ask, answer) for ask, answer in zip(asks, theirs, strict=True) if ask.get("prior")]
    assert given and all(abs(answer["logs"][0] - read[ask["picture"]]["logs"][0]) > NEAR for ask, answer in given)


def test_two_ranks_say_the_same(said, ask_vllm):
    ours, _, asks = said["starter"]
    options = {"tensor_parallel_size": 2, "distributed_executor_backend": "mp"}
    job = {"folder": str(starter_model()), "asks": asks[:8], "options": options}
    environment = {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"}
    (theirs,) = ask_vllm([job], **environment)
    print(f"two ranks: log probabilities differ by {compare(ours[:8], theirs):.1e} at most")


def test_an_adapter_of_rank_128_says_what_its_merge_says(tmp_path, ask_vllm, faces):
    from peft import LoraConfig, get_peft_model

    base = make_merged(make_base(tmp_path / "base"), tmp_path / "merged")
    describer = Describer.from_pretrained(base, device="cpu", dtype="float32")
    layers = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    targets = [
        name for name, _ in describer.model.named_modules() if name.split(".")[-1] in layers and "vision" not in name
    ]
    asks = [{"picture": face, "question": QUESTIONS["au"]} for face in faces[:4]]
    before = described(describer, asks)
    config = LoraConfig(r=128, lora_alpha=256, target_modules=targets, task_type="CAUSAL_LM")
    adapted = get_peft_model(describer.model, config)
    torch.manual_seed(5)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    adapted.save_pretrained(tmp_path / "adapter")
    describer.model = adapted.merge_and_unload()
    ours = described(describer, asks)
    options = {"enable_lora": True, "max_lora_rank": 128}
    (theirs,) = ask_vllm([{"folder": str(base), "asks": asks, "lora": str(tmp_path / "adapter"), "options": options}])
    assert [answer["ids"] for answer in ours] != [answer["ids"] for answer in before]
    print(f"LoRA: log probabilities differ by {compare(ours, theirs):.1e} at most")
