"""`llava-faba serve` refuses, before anything is loaded, what vLLM cannot serve, and prints what to try."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from llava_faba import cli
from llava_faba.errors import InputError
from llava_faba.files import write_json
from llava_faba.serving import launch
from llava_faba.serving.versions import ANY_VERSION, require_known
from llava_faba.starter.folder import starter_model


@pytest.fixture(autouse=True)
def a_known_vllm(monkeypatch):
    monkeypatch.setattr(launch, "installed_version", lambda: "0.32.0+cpu")
    monkeypatch.delenv("VLLM_PLUGINS", raising=False)


def model_with(folder: Path, **fields) -> Path:
    """The starter, with other fields in its config.json."""
    shutil.copytree(starter_model(), folder)
    config = json.loads((folder / "config.json").read_text()) | fields
    write_json(folder / "config.json", config)
    return folder


@pytest.mark.parametrize("version", ["0.31.2", "0.33.0", "0.320.0", "1.0", "dev"])
def test_a_vllm_too_old_or_new_is_refused_unless_it_is_asked_for(version, monkeypatch):
    monkeypatch.delenv(ANY_VERSION, raising=False)
    with pytest.raises(InputError, match=rf"vLLM {version} is installed here\. .*0\.32\.\*.*{ANY_VERSION}=1"):
        require_known(version)
    monkeypatch.setenv(ANY_VERSION, "1")
    require_known(version)


@pytest.mark.parametrize("version", ["0.32.0", "0.32.7+cpu"])
def test_every_patch_of_a_known_minor_is_taken(version):
    require_known(version)


def test_without_vllm_the_error_names_the_extra(monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: {})
    assert cli.main(["serve", "--check"]) == 3
    assert "pip install 'llava-faba[vllm]'" in capsys.readouterr().err


def test_a_model_that_is_not_merged_is_refused_with_the_command_that_merges_it(tmp_path, capsys):
    folder = model_with(tmp_path / "lora")
    write_json(folder / "adapter_config.json", {"base_model_name_or_path": "llava-v1.5-7b"})
    assert cli.main(["serve", "--model-path", str(folder), "--check"]) == 2
    said = capsys.readouterr().err
    assert "is not merged" in said and f"llava-faba merge --model-path {folder} --out lora-merged" in said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model_type": "llava_llama"}, "is of the type llava_llama"),
        ({"mm_use_im_start_end": True}, "mm_use_im_start_end is on"),
        ({"motion_frames": 32}, "assesses clips"),
        ({"mm_vision_tower": "nowhere/at/all"}, "vision tower nowhere/at/all"),
        ({"mm_vision_tower": None}, "has no vision tower"),
        ({"facial_prior_position": "behind"}, "facial_prior_position is 'behind'"),
        ({"facial_prior_mean": [0.0]}, "facial_prior_mean holds 1 numbers"),
        ({"image_aspect_ratio": "anyres"}, "in several tiles"),
        ({"facial_prior_tower": "emola_2d106", "facial_prior_hidden_size": 212, "facial_prior_mean": None,
          "facial_prior_std": None, "facial_prior_sizes": None, "facial_prior_model": "/no/such.onnx"}, "no/such.onnx"),
    ],
)  # fmt: skip
def test_what_vllm_cannot_serve_is_refused_in_one_clear_error(tmp_path, capsys, fields, said):
    pytest.importorskip("transformers.models.clip.image_processing_pil_clip", reason="vLLM wants transformers 5")
    assert cli.main(["serve", "--model-path", str(model_with(tmp_path / "model", **fields)), "--check"]) == 2
    shown = capsys.readouterr().err
    assert said in shown and shown.count("error:") == 1


def test_a_plugin_that_vllm_is_told_to_leave_out_is_noticed(monkeypatch, capsys):
    monkeypatch.setenv("VLLM_PLUGINS", "other")
    assert cli.main(["serve", "--check"]) == 2
    assert "VLLM_PLUGINS is 'other'" in capsys.readouterr().err


def test_the_check_prints_the_command_and_a_request_whose_json_is_whole(tmp_path, capsys):
    pytest.importorskip("transformers.models.clip.image_processing_pil_clip", reason="vLLM wants transformers 5")
    assert cli.main(["serve", "--check", "--port", "8123", "--", "--tensor-parallel-size", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("serving starter: ") and lines[0].endswith("--tensor-parallel-size 2")
    assert str(starter_model()) in lines[0]
    (tmp_path / "FACE.jpg").write_bytes(b"\xff\xd8 a picture of any length" * 9999)
    shell = next(line for line in lines if "curl" in line).replace("| curl -s", "| cat; : curl")
    body = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, check=True).stdout
    url = json.loads(body)["messages"][0]["content"][1]["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,/9gg") and len(url) > 300_000
