"""`--engine ray` writes the bytes of a run on one machine, and either goes on with what the other began."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from llava_faba import cli
from llava_faba.errors import InputError
from llava_faba.inference import spread
from llava_faba.inference.describer import Request
from llava_faba.inference.spread import Described, Loading, _groups, _place
from tests.conftest import REPOSITORY, shared_path
from tests.motion.clip_files import a_face, write_clip
from tests.video.feqa import feqa_model
from tests.video.test_training import make_clips

slow = pytest.mark.slow
RAY = ["--engine", "ray", "--actors", "1"]  # test_nodes.py has three


@pytest.fixture(scope="module")
def ray():
    """Two cores' worth of Ray on this machine, which the commands find."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}.items():
            patch.setenv(name, value)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init("local", num_cpus=2, object_store_memory=100_000_000, include_dashboard=False, log_to_driver=False)
        yield ray
        ray.shutdown()


def run(words):
    assert cli.main([str(word) for word in words]) == 0


def cut(whole, folder, keep):
    """What a run leaves that was killed within a line: the record, `keep` lines and a part of the next."""
    folder.mkdir()
    shutil.copy(f"{whole}.run.json", folder)
    lines = whole.read_bytes().splitlines(keepends=True)
    (folder / whole.name).write_bytes(b"".join(lines[:keep]) + lines[keep][:9])
    return folder / whole.name


@slow
def test_a_table_of_photos_and_a_clip_is_the_same(ray, tmp_path):
    """Eleven faces, a photo of several, one that is broken, and a clip; begun by one engine and ended by the other."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(11):
        shutil.copy(shared_path("faces", "large", f"natural_{number:05d}.jpg"), photos / f"{number:02d}.jpg")
    shutil.copy(shared_path("faces", "multi_face.jpg"), photos / "11.jpg")
    (photos / "05b.png").write_bytes(b"no picture")
    write_clip(photos / "06b.mp4", [np.roll(a_face(), step, 1) for step in range(40)])

    words = ["describe", "--input", photos, "--task", "emotion", "--batch-size", 4, "--fps", 5, "--device", "cpu"]
    plain = tmp_path / "table.csv"
    run([*words, "--csv", plain])
    assert plain.read_bytes().count(b"\n") >= 1 + 11 + 2 + 1 + 8
    by_ray = cut(plain, tmp_path / "begun-plain", 3)
    run([*words, "--csv", by_ray, *RAY])
    assert by_ray.read_bytes() == plain.read_bytes()
    ended_plain = cut(by_ray, tmp_path / "begun-by-ray", 9)
    run([*words, "--csv", ended_plain])
    assert ended_plain.read_bytes() == plain.read_bytes()


@slow
def test_predictions_of_clips_are_the_same(ray, tiny_llava, tmp_path, capsys):
    """Six clips, of which one is no clip: a row that says why, by both engines."""
    model = tmp_path / "feqa"
    feqa_model(tiny_llava, severity_steps=1, report_steps=1).save_pretrained(model)
    for file in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(tiny_llava / file, model)
    (tmp_path / "data" / "clips").mkdir(parents=True)
    data = make_clips(tmp_path / "data")
    (data.parent / "3.mp4").write_bytes(b"no clip")
    words = ["evaluate-clips", data, "--image-root", data.parent, "--model-path", model, "--device", "cpu"]
    words += ["--max-new-tokens", 4, "--json", "-"]
    plain = tmp_path / "predictions.jsonl"
    run([*words, "--out", plain])
    scores = capsys.readouterr().out
    by_ray = cut(plain, tmp_path / "begun-plain", 1)
    run([*words, "--out", by_ray, *RAY])
    assert capsys.readouterr().out == scores and '"failed": 1' in scores
    assert by_ray.read_bytes() == plain.read_bytes() and plain.read_bytes().count(b"\n") == 6


def test_a_node_with_another_model_refuses(monkeypatch):
    """A node without a GPU would load the model in float32 where the others have float16."""
    here = Described({"model": "m", "dtype": "float32"}, {"max_new_tokens": 4}, None)
    monkeypatch.setattr(Loading, "describer", lambda self: None)
    monkeypatch.setattr(spread, "_described", lambda *_: here)
    request = Request.of_tasks(["emotion"])
    assert spread.open_model(Loading("m"), request, here) is None
    with pytest.raises(InputError, match="begun: dtype is 'float32', was 'float16'"):
        spread.open_model(Loading("m"), request, replace(here, model={**here.model, "dtype": "float16"}))


def test_groups_of_files_stay_the_same_whatever_is_done(tmp_path):
    files = [tmp_path / name for name in ("a.png", "b.png", "c.png", "d.mp4", "e.mp4", "f.png", "g.png")]
    groups = _groups(files, 2)
    assert [[file.name[0] for file in group] for group in groups] == [list("ab"), ["c"], ["d"], ["e"], list("fg")]
    there = [str(file) for file in (files[0], files[0], files[1], files[2], files[3], files[3])]
    assert _place([], groups) == (0, 0)
    assert _place(there[:2], groups) == (0, 2) and _place(there[:4], groups) == (1, 1)
    assert _place(there, groups) == (2, 2), "the clip may go on"


def test_the_engine_is_refused_where_there_is_nothing_to_share(capsys):
    assert cli.main(["describe", "--image", "face.jpg", "--engine", "ray"]) == 2
    assert "--engine was given with --image." in capsys.readouterr().err
