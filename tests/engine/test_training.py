"""From pictures to a finetuned model: annotated through an endpoint, examined, trained on, audited."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from llava_faba import cli
from tests.conftest import REPOSITORY, shared_path

pytest.importorskip("openai", reason="asking an endpoint needs the extra [annotate]")


@pytest.mark.slow
def test_annotated_faces_pass_doctor_train_for_five_steps_and_are_audited(serve, tiny_llava, tmp_path, monkeypatch):
    from tests.train.runs import free_port, lines, run

    monkeypatch.setenv("OPENAI_API_KEY", "k")
    faces, out = tmp_path / "faces", tmp_path / "data.json"
    faces.mkdir()
    for path in sorted(shared_path("faces", "images").glob("train_*.jpg"))[:10]:
        shutil.copy(path, faces)
    words = ["annotate", faces, "--endpoint", serve().url, "--model", "m", "--task", "emotion", "--out", out, "--yes"]
    assert cli.main(list(map(str, words))) == 0
    crops = tmp_path / "data_annotation" / "crops"
    assert cli.main(["doctor", str(out), "--image-root", str(crops)]) == 0
    environment = {
        "MODEL": str(tiny_llava),
        "VISION_TOWER": str(tiny_llava / "clip"),
        "DATA": str(out),
        "IMAGES": str(crops),
        "OUT": str(tmp_path / "model"),
        "PRIOR": "dlib_68",
        "BATCH": "2",
        "GPU": "False",
        "MASTER_PORT": str(free_port()),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    further = ["--max_steps", "5", "--num_train_epochs", "5", "--lora_r", "4", "--disable_tqdm", "True"]
    script = REPOSITORY / "scripts" / "finetune_faba_lora.sh"
    ran = run(["bash", script, *further], cwd=tmp_path, **environment)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert (tmp_path / "model" / "facial_prior_projector.safetensors").is_file()
    assert len(lines(ran, "next: llava-faba describe --model-path ")) == 1
    state = json.loads((tmp_path / "model" / "trainer_state.json").read_text())
    assert state["global_step"] == 5
    sheet = tmp_path / "audit.html"
    assert cli.main(["audit", str(out), "--image-root", str(crops), "--n", "5", "--sheet", str(sheet)]) == 0
    assert sheet.read_text().count("data:image/jpeg") == 5
