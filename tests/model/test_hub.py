"""A model's name on the hub stands wherever a path does; what is in the cache needs no network."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest

import llava_faba
from llava_faba.errors import InputError, MissingFileError
from llava_faba.model.hub import resolve
from tests.conftest import REPOSITORY
from tests.model.released import Released

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tiny_llava, tmp_path, monkeypatch):
    """A cache of the hub, in its own layout, that holds ann/faba at COMMIT, which is its branch main."""
    snapshot = tmp_path / "models--ann--faba" / "snapshots" / COMMIT
    shutil.copytree(tiny_llava, snapshot)
    refs = tmp_path / "models--ann--faba" / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return snapshot


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_model_is_loaded_by_its_name(cache, tiny_llava, revision):
    assert resolve("ann/faba", revision) == (cache, COMMIT)
    _, model, _, _ = llava_faba.load("ann/faba", revision=revision)
    _, local, _, _ = llava_faba.load(tiny_llava)
    assert all((a == b).all() for a, b in zip(model.parameters(), local.parameters(), strict=True))
    assert model.loaded_from.record() == {"model": "ann/faba", "commit": COMMIT, "base": None, "base_commit": None}
    assert local.loaded_from.commit is None


@pytest.mark.parametrize("revision", ["../main", "", "a b", "-x"])
def test_what_is_no_revision_is_refused(cache, revision):
    with pytest.raises(InputError, match="a branch, a tag or a commit"):
        llava_faba.load("ann/faba", revision=revision)


@pytest.mark.parametrize("name", ["faba", "../ann/faba", "/tmp/faba", "https://example.com/ann/faba", "ann/faba/more"])
def test_a_revision_belongs_to_a_name_on_the_hub(cache, name):
    with pytest.raises(InputError, match="OWNER/NAME"):
        llava_faba.load(name, revision=COMMIT)


@pytest.mark.parametrize("revision", [None, COMMIT, "v2"])
def test_what_is_not_in_the_cache_is_said_to_be_missing_without_a_network(cache, revision):
    with pytest.raises(MissingFileError, match=r"ann/other.*switched off \(HF_HUB_OFFLINE\).*hf download ann/other"):
        llava_faba.load("ann/other", revision=revision)


def test_a_folder_wins_over_a_name(cache, tiny_llava, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_llava, tmp_path / "ann" / "faba")
    assert resolve("ann/faba").commit is None


def unauthorised():
    """The hub's answer 401, as the library's own client gives it: httpx since huggingface_hub 1, requests before."""
    address = "https://huggingface.co/ann/other"
    if version("huggingface_hub").startswith("0."):
        import requests

        answer = requests.Response()
        answer.status_code, answer.request = 401, requests.Request("GET", address).prepare()
        return answer
    import httpx

    return httpx.Response(401, request=httpx.Request("GET", address))


@pytest.mark.parametrize(
    "response, message",
    [
        ("RepositoryNotFoundError", r"no such model, or the token.*hf auth whoami"),
        ("GatedRepoError", r"not let you in.*hf auth login"),
        ("RevisionNotFoundError", r"no revision v2"),
        (ConnectionError("no route to host"), r"ConnectionError: no route to host.*network"),
    ],
)
def test_what_the_hub_answers_is_said_in_one_sentence(monkeypatch, response, message):
    from huggingface_hub import errors

    if isinstance(response, str):
        response = getattr(errors, response)("Repository Not Found for url", response=unauthorised())

    def fail(*arguments, **keywords):
        raise response

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(MissingFileError, match=message):
        resolve("ann/other", "v2")


@pytest.fixture
def hub(tiny_llava, tmp_path):
    """A cache of the hub with the real names: LLaVA-1.5, its LoRA, Vicuna and CLIP, each a stand-in."""
    released, cache = Released(tiny_llava, tmp_path / "released"), tmp_path / "home" / "hub"
    released.vision["mm_vision_tower"] = "openai/clip-vit-large-patch14-336"
    for name, folder in {
        "liuhaotian/llava-v1.5-7b": released.llava(),
        "liuhaotian/llava-v1.5-7b-lora": released.lora(),
        "liuhaotian/llava-v1.6-mistral-7b": released.other("llava_mistral", "llava-v1.6-mistral-7b"),
        "lmsys/vicuna-7b-v1.5": released.vicuna(),
        "openai/clip-vit-large-patch14-336": tiny_llava / "clip",
    }.items():
        released.in_cache(cache, name, folder)
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPOSITORY)}
    return {**{key: value for key, value in os.environ.items() if not key.startswith("HF_")}, **environment}


PROGRAM = """
import json, sys
from PIL import Image
import llava_faba
from llava_faba import cli
Image.new("RGB", (128, 128), "grey").save("face.png")
lora, base = "liuhaotian/llava-v1.5-7b-lora", "lmsys/vicuna-7b-v1.5"
ask = ["--image", "face.png", "--max-new-tokens", "2", "--device", "cpu"]
assert cli.main(["describe", "--model-path", "liuhaotian/llava-v1.5-7b", *ask, "--json", "plain.json"]) == 0
assert cli.main(["describe", "--model-path", lora, *ask, "--json", "lora.json"]) == 0  # its base by the name it holds
assert cli.main(["merge", "--model-path", lora, "--model-base", base, "--revision", "main", "--out", "merged"]) == 0
assert cli.main(["describe", "--model-path", "liuhaotian/llava-v1.6-mistral-7b", *ask]) == 2
llava_faba.attach()
from llava.model.builder import load_pretrained_model
model = load_pretrained_model("liuhaotian/llava-v1.5-7b", None, "llava-v1.5-7b", device="cpu")[1]
assert type(model).__name__ == "FabaLlavaLlamaForCausalLM" and model.loaded_from.commit
"""


@pytest.mark.slow
def test_released_names_work_from_a_cache_alone(hub, tmp_path):
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=hub, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "Mistral" in ran.stderr
    config = json.loads((tmp_path / "merged" / "config.json").read_text())
    assert config["mm_vision_tower"] == "openai/clip-vit-large-patch14-336"
