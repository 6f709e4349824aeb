"""A split keeps subjects and duplicates together, spreads labels alike, and says what it did."""

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.data.doctor import examine
from llava_faba.engine.duplicates import duplicate_pairs
from llava_faba.engine.split import assign
from llava_faba.files import write_json
from tests.conftest import shared_path

pytest.importorskip("imagehash", reason="near-duplicates need the extra [annotate]")
LABELS = ["happiness", "sadness", "anger"]


def a_sample(image, label, **more):
    turns = [
        {"from": "human", "value": "Which emotion?\n<image>"},
        {"from": "gpt", "value": f"The face shows {label}."},
    ]
    return {"id": image, "image": image, "conversations": turns, **more}


@pytest.fixture
def faces(tmp_path):
    """30 pictures of noise of six subjects; picture 20 is a JPEG of picture 3, picture 21 a file equal to picture 4."""
    entries = []
    for number in range(30):
        small = np.random.default_rng(number).integers(0, 255, (12, 12, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC)
        name = f"s{number % 6}_{number:02d}.png"
        picture.save(tmp_path / name)
        entries.append(a_sample(name, LABELS[number // 6 % 3]))
    Image.open(tmp_path / "s3_03.png").convert("RGB").save(tmp_path / "s2_20.jpg", quality=60)
    entries[20] = a_sample("s2_20.jpg", LABELS[2])
    (tmp_path / "s3_21.png").write_bytes((tmp_path / "s4_04.png").read_bytes())
    write_json(tmp_path / "d.json", entries)
    return tmp_path


def split(faces, *flags, out="out"):
    words = ["split", faces / "d.json", "--image-root", faces, "--out", faces / out, *flags]
    status = cli.main(list(map(str, words)))
    parts = [name for name in ("train", "validation", "test") if (faces / out / f"{name}.json").is_file()]
    return status, {name: json.loads((faces / out / f"{name}.json").read_text()) for name in parts}


def test_duplicates_are_found_listed_and_never_divided(faces):
    status, parts = split(faces, "--validation", 0.2, "--test", 0.2)
    assert status == 0 and sum(map(len, parts.values())) == 30
    home = {entry["id"]: name for name, entries in parts.items() for entry in entries}
    assert home["s3_03.png"] == home["s2_20.jpg"] and home["s4_04.png"] == home["s3_21.png"]
    record = json.loads((faces / "out" / "split.json").read_text())
    assert {(*pair["ids"], pair["kind"]) for pair in record["duplicates"]} == {
        ("s3_03.png", "s2_20.jpg", "near"),
        ("s4_04.png", "s3_21.png", "same-file"),
    }
    assert all(not examine(faces / "out" / f"{name}.json", faces).defects for name in parts)
    assert min(Counter(entry["label"] for entry in parts["test"]).values()) >= 1 and len(parts["test"]) == 6


def test_no_subject_is_in_two_parts_and_the_seed_decides(faces):
    flags = ["--validation", 0.2, "--test", 0.2, "--subject-pattern", "^s[0-9]"]
    _, parts = split(faces, *flags)
    subjects = [{entry["id"][:2] for entry in entries} for entries in parts.values()]
    assert not any(one & other for k, one in enumerate(subjects) for other in subjects[k + 1 :])
    assert split(faces, *flags, out="again")[1] == parts
    assert any(split(faces, *flags, "--seed", seed, out=f"s{seed}")[1] != parts for seed in (1, 2, 3))


def test_what_is_in_a_fixed_test_file_is_left_out(faces):
    write_json(faces / "fixed.json", [{"image": "s3_03.png", "label": "Happiness", "gpt4": "Happy."}])
    _, parts = split(faces, "--against", faces / "fixed.json", "--validation", 0)
    ids = {entry["id"] for entries in parts.values() for entry in entries}
    assert not ids & {"s3_03.png", "s2_20.jpg"} and len(ids) == 28


def test_a_sample_without_a_subject_is_refused(faces, capsys):
    assert split(faces, "--subject-pattern", "^s[0-3]")[0] == 2
    assert "10 samples have no subject" in capsys.readouterr().err


def test_groups_of_many_sizes_come_out_in_the_wanted_shares():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(300), rng.integers(1, 6, 300)).tolist()
    strata = [[LABELS[min(2, rng.geometric(0.6) - 1)]] for _ in groups]
    parts = assign(groups, strata, {"validation": 0.1, "test": 0.2}, seed=0)
    share = Counter(parts)
    assert abs(share["test"] / len(parts) - 0.2) < 0.01 and abs(share["validation"] / len(parts) - 0.1) < 0.01
    for label in LABELS:
        own = [part for part, (kind,) in zip(parts, strata, strict=True) if kind == label]
        assert abs(own.count("test") / len(own) - 0.2) < 0.03


def test_different_faces_are_no_duplicates_and_copies_are(tmp_path):
    files = sorted(shared_path("faces", "images").glob("train_*.jpg"))[:60]
    copies = []
    for file in files[:20]:
        picture = Image.open(file).convert("RGB")
        picture.resize((picture.width * 2, picture.height * 2)).save(tmp_path / file.name, quality=50)
        copies.append(tmp_path / file.name)
    found = {(pair.one, pair.other) for pair in duplicate_pairs([*files, *copies])}
    assert found == {(k, 60 + k) for k in range(20)}
