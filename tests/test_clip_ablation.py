"""The ablation of clips: a row a part, each variant known to the script, a dash where nothing was scored."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from llava_faba.errors import MissingFileError
from llava_faba.files import write_json
from tests.conftest import REPOSITORY
from tests.motion.clip_files import a_face, write_clip
from tests.prior.graphs import write_graph
from tests.train.runs import run

sys.path.insert(0, str(REPOSITORY / "scripts"))
from clip_ablation_table import ROWS, ablation_table


def test_every_variant_of_the_script_has_a_row_and_flags_that_training_knows():
    from llava_faba.video.config import FIELDS, TRAINING_FIELDS

    script = (REPOSITORY / "scripts" / "ablate_clips.sh").read_text()
    (variants,) = re.findall(r"VARIANTS:-([^}]+)}", script)
    assert [variant for variant, _ in ROWS] == variants.split()
    flags = set(re.findall(r"--(\w+)", script.split("flags() {")[1].split("\n}")[0]))
    assert len(flags) > 6 and flags <= {*FIELDS, *TRAINING_FIELDS}


def test_scores_stand_side_by_side(tmp_path):
    scores = {"spearman_mean": 0.61, "interval_coverage_by_patient": 0.9, "rouge_l": float("nan"), "bleu": 1.5}
    scores |= {"evidence_rate": 0.25, "all": {"mae": 0.44}, "per_expression": {"smile": {}}, "rated": 9, "notes": ["x"]}
    write_json(tmp_path / "no_colour" / "scores.json", scores)
    lines = ablation_table(tmp_path).splitlines()
    row = next(line for line in lines if line.startswith("trajectory without R, G, B"))
    assert row.split()[-6:] == ["61.0", "90.0", "-", "1.5", "25.0", "0.44"]
    assert next(line for line in lines if line.startswith("joint") or "decoupled" in line).split()[-6:] == ["-"] * 6
    assert lines[-1] == "note: x" and "9 rated clips" in lines[-2]


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"Run scripts/ablate_clips\.sh first"):
        ablation_table(tmp_path)


def test_what_is_left_out_is_the_same_by_script_flag_and_configuration():
    """Colours were on in the script and off in the configuration."""
    from llava_faba.host import compat

    compat.apply(training=True)
    from llava_faba.video.arguments import FeqaModelArguments
    from llava_faba.video.config import FIELDS, TRAINING_FIELDS, FeqaLlavaConfig

    script = (REPOSITORY / "scripts" / "finetune_feqa_lora.sh").read_text()
    variables = dict(re.findall(r"^(\w+)=\$\{\w+:-([^}]*)}", script, flags=re.M))
    given = dict(re.findall(r"--(\w+) \"?\$?([\w.]+)\"?", script))
    for name in (*FIELDS, *TRAINING_FIELDS):
        configured, flag = getattr(FeqaLlavaConfig, name), getattr(FeqaModelArguments(), name)
        if name in given and name != "expressions":
            assert variables.get(given[name], given[name]) == str(flag), name
        if name != "motion_frames":  # None there: a model that has not learned clips yet
            assert list(flag) == list(configured) if name == "expressions" else flag == configured, name


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """A folder of short clips of a face, with files for training, validation and test; no patient is in two."""
    folder = tmp_path_factory.mktemp("clips")
    random, samples = np.random.default_rng(0), []
    for number in range(8):
        frames = [np.roll(a_face(), int(random.integers(-20, 20)) + step, 1) for step in range(4)]
        write_clip(folder / f"{number}.mp4", frames)
        turns = [("human", "<image>\nDescribe how the face moves."), ("gpt", "The corners of the mouth rise.")]
        sample = {"id": str(number), "video": f"{number}.mp4", "expression": ["smile", "sit_at_rest"][number % 2]}
        sample |= {"score": number % 5, "patient": f"p{number // 2}"}
        samples.append(sample | {"conversations": [{"from": who, "value": text} for who, text in turns]})
    for name, part in (("train", samples[:4]), ("validation", samples[4:6]), ("test", samples[6:])):
        write_json(folder / f"{name}.json", part)
    return folder


@pytest.mark.slow
def test_rows_train_are_scored_and_stand_in_the_table(tiny_llava, clips, tmp_path):
    """At their smallest, each way of training and the rows with files of their own; others differ by one known flag."""
    variants = ("full", "points_106", "published_sampling", "two_stages", "sections")
    files = {name.upper(): clips / f"{name}.json" for name in ("validation", "test")}
    environment = {"MODEL": tiny_llava, "VISION_TOWER": tiny_llava / "clip", "DATA": clips / "train.json", **files}
    environment |= {"CLIPS": clips, "OUT": tmp_path / "rows", "EPOCHS": 1, "BATCH": 2, "LORA_R": 4, "GPU": False}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment |= {"TOKENS": 4, "DEVICE": "cpu", "PATH": path, "VARIANTS": " ".join(variants)}
    graph = write_graph(tmp_path / "2d106det.onnx")
    smaller = {"motion_frames": 8, "motion_width": 16, "motion_depth": 1, "motion_heads": 4, "motion_model": graph}
    smaller |= {"picture_frames": 2, "max_steps": 1}
    flags = [part for name, value in smaller.items() for part in (f"--{name}", value)]
    words = {name: str(value) for name, value in environment.items()}
    done = run(["bash", "scripts/ablate_clips.sh", *flags], timeout=1800, **words)
    assert done.returncode == 0, done.stdout[-4000:]
    table = {line[:40].strip(): line[40:].split() for line in done.stdout.splitlines()}
    for variant in variants:
        part = dict(ROWS)[variant]
        scores = json.loads((tmp_path / "rows" / variant / "scores.json").read_text())
        assert scores["failed"] == 0 and scores["rated"] == 2 and table[part][-1] != "-", variant
        assert (table[part][2] != "-") == (variant in ("two_stages", "sections")), "ROUGE-L where it writes"
