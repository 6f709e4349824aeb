"""Door 2: on a patched copy of LLaVA, LLaVA's own commands answer with a model whose prior is read from the pixels."""

import json
import subprocess
import sys

import pytest

from tests.tiny import prior_model

ON_CPU = """
import runpy, sys, torch
from torch.overrides import TorchFunctionMode

def cpu(value):
    return "cpu" if str(value) in ("cuda", "cuda:0") else value

class CudaIsCpu(TorchFunctionMode):
    '''llava.eval.model_vqa_loader writes .to(device="cuda"), whatever the machine has.'''
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*[cpu(a) for a in args], **{k: cpu(v) for k, v in (kwargs or {}).items()})

sys.argv = sys.argv[1:]
with CudaIsCpu():
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def reader(tiny_llava, tmp_path):
    """A full model of ours with the dlib prior, and a photo of one face; (model folder, photo)."""
    import shutil

    import skimage.data
    from PIL import Image

    model = prior_model(
        tiny_llava,
        facial_prior_tower="dlib_68",
        facial_prior_hidden_size=136,
        facial_prior_mean=[0.1] * 136,
        facial_prior_std=[0.5] * 136,
    )
    folder = tmp_path / "llava-v1.5-tiny-faba"
    model.save_pretrained(folder)
    for file in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(tiny_llava / file, folder)
    photo = tmp_path / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()[:256, 96:352]).save(photo)
    return folder, photo


def run(arguments, environment, **options):
    ran = subprocess.run([sys.executable, *map(str, arguments)], env=environment, capture_output=True, **options)
    return ran.returncode, ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace")


def test_importing_a_patched_llava_attaches(patched):
    program = "import llava, llava.train.train as t; print(llava.__file__, t.LLaVATrainer.__name__)"
    code, out, err = run(["-c", program], patched, cwd="/")
    assert code == 0, err
    assert "tree/llava" in out and "FabaTrainer" in out


def test_a_failing_plugin_is_an_error(patched, copy_of_llava):
    metadata = copy_of_llava / "bad-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[llava.plugins]\nbad = no_such_module:attach\n")
    code, _, err = run(["-c", "import llava"], patched, cwd="/")
    assert code == 1 and "no_such_module" in err


@pytest.mark.slow
def test_llavas_chat_answers_with_a_prior_read_from_the_pixels(patched, reader):
    folder, photo = reader
    arguments = ["-m", "llava.serve.cli", "--model-path", folder, "--image-file", photo, "--device", "cpu"]
    code, out, err = run([*arguments, "--temperature", "0", "--max-new-tokens", "8"], patched, input=b"Hello?\n\n")
    assert code == 0, err
    assert "ASSISTANT: " in out


@pytest.mark.slow
def test_llavas_chat_refuses_a_picture_without_a_face(patched, reader, tmp_path):
    """That it is an error shows that the prior is read at all."""
    from PIL import Image

    Image.new("RGB", (256, 256), "grey").save(tmp_path / "grey.png")
    arguments = ["-m", "llava.serve.cli", "--model-path", reader[0], "--image-file", tmp_path / "grey.png"]
    code, _, err = run([*arguments, "--device", "cpu", "--temperature", "0"], patched, input=b"Hello?\n\n")
    assert code != 0 and "No face was read in image 0" in err


@pytest.mark.slow
def test_llavas_batch_answers_are_written(patched, reader, tmp_path):
    folder, photo = reader
    questions, answers, runner = tmp_path / "questions.jsonl", tmp_path / "out" / "answers.jsonl", tmp_path / "run.py"
    lines = [{"question_id": n, "image": photo.name, "text": f"Question {n}?"} for n in range(2)]
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    runner.write_text(ON_CPU)
    code, _, err = run(
        [
            runner,
            "llava.eval.model_vqa_loader",
            "--model-path",
            folder,
            "--image-folder",
            photo.parent,
            "--question-file",
            questions,
            "--answers-file",
            answers,
            "--temperature",
            "0",
            "--max_new_tokens",
            "8",
        ],
        patched,
    )
    assert code == 0, err
    assert [json.loads(line)["question_id"] for line in answers.read_text().splitlines()] == [0, 1]
