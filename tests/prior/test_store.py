"""A data set's priors are read once, whole, and the same however the work is cut."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from llava_faba import cli
from llava_faba.data.fabainstruct import prior_path
from llava_faba.errors import InputError
from llava_faba.face.images import BadImage, read_pixels
from llava_faba.faces import FaceSample
from llava_faba.prior import build_prior, check_manifest, read_prior_file
from llava_faba.prior.base import FacialPrior
from llava_faba.prior.gather import gather_priors
from llava_faba.prior.reading import prior_name
from llava_faba.prior.store import PriorStore, stored_priors
from llava_faba.processes import Shard
from tests.conftest import shared_path


class Mean(FacialPrior):
    """A prior that costs nothing: the picture's mean colour; a black one holds no face, a red one is an error."""

    name, dim, version = "mean", 3, "v1"

    def read(self, crop):
        if crop[0, 0].tolist() == [254, 0, 0]:
            raise InputError("The model of 'mean' broke.", "It must not.", "Mend it.")
        return crop.mean(axis=(0, 1)).astype(np.float32) if crop.any() else None


@pytest.fixture
def data(tmp_path):
    """Twenty-four samples: pictures in folders, one black, one no picture, one missing; one picture asked twice."""
    from PIL import Image

    images = tmp_path / "images"
    (images / "a").mkdir(parents=True)
    samples = []
    for n in range(20):
        name = f"a/{n:02d}.png" if n % 2 else f"{n:02d}.png"
        Image.new("RGB", (20, 16 + n), (10 * n, 255 - n, n * (n != 6))).save(images / name)
        samples.append({"image": name, "label": "1, 4", "gpt4": "text"})
    Image.new("RGB", (20, 20)).save(images / "a" / "05.png")
    (images / "08.png").write_text("no picture")
    (images / "10.png").unlink()
    samples[3]["id"] = "people/anna/3"
    samples[7]["landmark"] = "old.npy"
    samples[5]["landmark"] = "old.npy"
    samples += [{**samples[0], "gpt4": "again"}, {"id": "second", "image": "00.png", "label": "1", "gpt4": ""}]
    samples += [{"id": "text-only", "conversations": []}, {"id": "p/q.v2", "image": "02.png"}]
    (tmp_path / "data.json").write_text(json.dumps(samples))
    return tmp_path


def store(data, out, prior=None):
    return PriorStore(data / "data.json", data / "images", prior or Mean(), out)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_folder_holds_vectors_lists_and_a_manifest(data):
    progress = store(data, data / "out").extract()
    assert progress.finished and (progress.done, progress.read) == (20, 17)
    samples = json.loads((data / "data.json").read_text())
    marked = json.loads((data / "out" / "data.json").read_text())
    assert [{k: v for k, v in s.items() if k != "landmark"} for s in marked] == [
        {k: v for k, v in s.items() if k != "landmark"} for s in samples
    ]
    unread = [json.loads(line) for line in (data / "out" / "unread.jsonl").read_text().splitlines()]
    assert [line["id"] for line in unread] == ["a/05.png", "08.png", "10.png"]
    assert unread[0]["reason"] == "no face found" and "10.png" in unread[2]["reason"]
    manifest = json.loads((data / "out" / "manifest.json").read_text())
    assert {k: manifest[k] for k in ("prior", "version", "P", "samples", "priors", "unread")} == {
        "prior": "mean",
        "version": "v1",
        "P": 3,
        "samples": 24,
        "priors": 19,
        "unread": 3,
    }
    for sample in marked:
        if "landmark" in sample:
            vector = read_prior_file(data / "out" / sample["landmark"], 3, "x")
            assert np.array_equal(vector, Mean().read(read_pixels(data / "images" / sample["image"])))
            assert np.load(data / "out" / sample["landmark"]).dtype == np.float32
    assert [s.get("landmark") for s in marked[2:7]] == ["02.npy", "people/anna/3.npy", "04.npy", None, "06.npy"]
    assert marked[-1]["landmark"] == "p/q.v2.npy" and "landmark" not in marked[-2]
    assert not [p for p in contents(data / "out") if p.startswith(".")]
    check_manifest(data / "out" / "a", Mean())


@pytest.mark.parametrize(
    ("workers", "batch", "shards"),
    [
        (2, 3, 1),
        (1, 16, 4),
        (1, 1, 30),
        pytest.param(3, 1, 1, marks=pytest.mark.slow),
        pytest.param(2, 5, 3, marks=pytest.mark.slow),
    ],
)
def test_workers_batches_and_shards_do_not_change_a_byte(data, workers, batch, shards):
    store(data, data / "whole").extract()
    for index in reversed(range(shards)):
        progress = store(data, data / "parts").extract(Shard(index, shards), workers, batch)
        assert progress.finished == (index == 0)
        assert progress.waiting == tuple(range(index))
    assert contents(data / "parts") == contents(data / "whole")


def test_a_second_run_reads_nothing_and_a_retry_reads_what_was_mended(data):
    store(data, data / "out").extract()
    before = contents(data / "out")
    stamps = {p: (data / "out" / p).stat().st_mtime_ns for p in before}
    assert store(data, data / "out").extract().finished
    assert {p: (data / "out" / p).stat().st_mtime_ns for p in contents(data / "out")} == stamps
    shutil.copy(data / "images" / "12.png", data / "images" / "10.png")
    assert store(data, data / "out").extract(retry_unread=True).read == 18
    manifest = json.loads((data / "out" / "manifest.json").read_text())
    assert manifest["unread"] == 2 and (data / "out" / "10.npy").exists()
    store(data, data / "fresh").extract()
    assert contents(data / "out") == contents(data / "fresh")


def test_shards_from_machines_without_a_common_disk_are_merged_by_copying(data):
    store(data, data / "whole").extract()
    for index in range(2):
        store(data, data / f"machine{index}").extract(Shard(index, 2))
        shutil.copytree(data / f"machine{index}", data / "merged", dirs_exist_ok=True)
    assert store(data, data / "merged").extract().finished
    assert contents(data / "merged") == contents(data / "whole")


@pytest.mark.trust
def test_a_torn_vector_is_read_again(data):
    store(data, data / "whole").extract()
    store(data, data / "out").extract(Shard(0, 2))
    (data / "out" / "02.npy").write_bytes((data / "out" / "02.npy").read_bytes()[:90])
    store(data, data / "out").extract()
    assert contents(data / "out") == contents(data / "whole")


def test_a_folder_that_holds_anything_else_is_refused_and_untouched(data):
    store(data, data / "out").extract(Shard(0, 2))
    other = Mean()
    other.version = "v2"
    with pytest.raises(InputError, match="version"):
        store(data, data / "out", other).extract()
    store(data, data / "out").extract()
    before = contents(data / "out")
    with pytest.raises(InputError, match="another run"):
        store(data, data / "out", other).extract()
    (data / "data.json").write_text(json.dumps(json.loads((data / "data.json").read_text())[:5]))
    with pytest.raises(InputError, match="another run"):
        store(data, data / "out").extract()
    assert contents(data / "out") == before
    (data / "notes").mkdir()
    (data / "notes" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        store(data, data / "notes").extract()
    assert list(contents(data / "notes")) == ["thesis.txt"]


@pytest.mark.parametrize(
    ("sample", "names"),
    [
        ({"id": "bad", "image": "../secret.png"}, "bad"),
        ({"id": "bad", "image": "/etc/passwd"}, "bad"),
        ({"id": "../../bad", "image": "00.png"}, "bad"),
        ({"id": "bad", "image": 7}, "bad"),
        ({"id": "x" * 300, "image": "00.png"}, "xxx"),
        ({"id": "a/01.png", "image": "00.png"}, "a/01"),
        ({"id": "00.jpg", "image": "02.png"}, r"00\.npy"),
    ],
)
def test_a_bad_sample_is_named_before_anything_is_written(data, sample, names):
    samples = [*json.loads((data / "data.json").read_text()), sample]
    (data / "data.json").write_text(json.dumps(samples))
    with pytest.raises(InputError, match=names):
        store(data, data / "out")
    assert not (data / "out").exists()


@pytest.mark.parametrize("content", ["{}", "[]", "[1]", '"text"', "not json"])
def test_what_is_no_annotation_file_is_refused(data, content):
    (data / "data.json").write_text(content)
    with pytest.raises(InputError, match=r"data\.json"):
        store(data, data / "out")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_prior_that_breaks_stops_the_run_with_its_own_message(data, workers):
    """Errors cross the border of a worker process whole; what was read before is kept."""
    from PIL import Image

    Image.new("RGB", (9, 9), (254, 0, 0)).save(data / "images" / "18.png")
    with pytest.raises(InputError, match="Mend it") as error:
        store(data, data / "out").extract(workers=workers, batch=2)
    assert not isinstance(error.value, BadImage)
    assert not (data / "out" / "manifest.json").exists()


def test_a_prior_that_tells_people_apart_is_stored_only_when_that_is_asked_for(data):
    biometric = Mean()
    biometric.identifies = True
    with pytest.raises(InputError, match="--store-identity"):
        store(data, data / "out", biometric)
    assert PriorStore(data / "data.json", data / "images", biometric, data / "out", store_identity=True).extract().read


def test_ids_lose_a_pictures_ending_and_nothing_else():
    names = {"a/b.jpg": "a/b.npy", "a.PNG": "a.npy", "clip.v2": "clip.v2.npy", "12": "12.npy", "x.y.webp": "x.y.npy"}
    assert {identity: prior_name(identity) for identity in names} == names


@pytest.fixture
def faces(tmp_path):
    samples = [{"image": f"images/eval_{n:04d}.jpg", "label": "1"} for n in range(24)]
    (tmp_path / "faces.json").write_text(json.dumps(samples))
    return tmp_path / "faces.json", shared_path("faces")


def test_the_command_reads_real_faces_and_what_it_stores_is_what_the_prior_says(faces, tmp_path, capsys):
    pytest.importorskip("dlib")
    data, root = faces
    out = tmp_path / "out"
    command = ["priors", str(data), "--image-root", str(root), "--prior", "dlib_68", "--out", str(out)]
    assert cli.main([*command, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["pictures"] == 24 and counts["read"] >= 20 and counts["finished"]
    prior = build_prior("dlib_68")
    priors, valid = prior.extract([read_pixels(root / f"images/eval_{n:04d}.jpg") for n in range(24)])
    for n in range(24):
        file = out / f"images/eval_{n:04d}.npy"
        assert file.exists() == valid[n]
        assert not valid[n] or np.array_equal(np.load(file), priors[n])
    check_manifest(out, prior)
    assert cli.main([*command[:-1], str(root)]) == 2
    assert cli.main([*command, "--shard", "2/2"]) == 2 and cli.main([*command, "--workers", "0"]) == 2


@pytest.mark.trust
def test_every_bad_picture_is_listed_and_the_good_ones_are_read(tmp_path):
    """No face, a face of 12 pixels, half a face, fifty faces, a bomb, a cut and a fake JPEG, an animation, nothing."""
    pytest.importorskip("dlib")
    from PIL import Image

    from tests.face.test_images import png_of_claimed_size

    face = Image.open(shared_path("faces", "images", "train_0003.jpg")).convert("RGB")
    images = tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (300, 200), "white").save(images / "none.png")
    tiny, fifty = Image.new("RGB", (300, 200), "gray"), Image.new("RGB", (1500, 800), "gray")
    tiny.paste(face.resize((12, 12)), (100, 100))
    tiny.save(images / "tiny.png")
    for n in range(50):
        fifty.paste(face.resize((120, 120)), (150 * (n % 10) + 10, 150 * (n // 10) + 10))
    fifty.save(images / "fifty.jpg")
    face.crop((0, 0, face.width // 3, face.height)).save(images / "half.jpg")
    (images / "bomb.png").write_bytes(png_of_claimed_size(20_000, 15_000))
    face.save(images / "whole.jpg")
    (images / "cut.jpg").write_bytes((images / "whole.jpg").read_bytes()[:1500])
    (images / "fake.jpg").write_text("hello")
    face.save(images / "moving.gif", save_all=True, append_images=[face.rotate(5), face.rotate(10)])
    names = ["none.png", "tiny.png", "fifty.jpg", "half.jpg", "bomb.png", "whole.jpg", "cut.jpg", "fake.jpg"]
    names += ["moving.gif", "missing.jpg"]
    (tmp_path / "data.json").write_text(json.dumps([{"image": name} for name in names]))
    command = ["priors", str(tmp_path / "data.json"), "--image-root", str(images), "--prior", "dlib_68"]
    assert cli.main([*command, "--out", str(tmp_path / "out"), "--batch-size", "2"]) == 0
    reasons = {}
    for line in (tmp_path / "out" / "unread.jsonl").read_text().splitlines():
        reasons[json.loads(line)["id"]] = json.loads(line)["reason"]
    assert sorted(reasons) == sorted(set(names) - {"fifty.jpg", "whole.jpg", "moving.gif"})
    assert all(reasons[name] == "no face found" for name in ("none.png", "tiny.png", "half.jpg"))
    assert all(name in reasons[name] for name in ("bomb.png", "cut.jpg", "fake.jpg", "missing.jpg"))
    assert (images / "bomb.png").stat().st_size < 60_000 and "megapixels" in reasons["bomb.png"]


@pytest.mark.trust
@pytest.mark.slow
def test_a_run_killed_at_any_moment_goes_on_to_the_same_bytes_and_leaves_no_worker(tmp_path):
    pytest.importorskip("dlib")
    root = shared_path("faces")
    samples = [{"image": f"images/train_{n:04d}.jpg"} for n in range(160)]
    (tmp_path / "faces.json").write_text(json.dumps(samples))
    command = [sys.executable, "-c", "from llava_faba.cli import main; raise SystemExit(main())", "priors"]
    command += [str(tmp_path / "faces.json"), "--image-root", str(root), "--prior", "dlib_68", "--batch-size", "4"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, env=environment, capture_output=True)
    kills = 0
    for attempt in range(30):
        process = subprocess.Popen(
            [*command, "--out", str(tmp_path / "killed"), "--workers", "2"],
            env=environment,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        goal = 20 * (attempt + 1)
        while process.poll() is None and len(list((tmp_path / "killed").rglob("*.npy"))) < goal:
            time.sleep(0.02)
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        deadline = time.monotonic() + 10
        while session_members(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not session_members(process.pid), "workers outlive their parent"
    assert kills >= 4 and process.returncode == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def session_members(session):
    """The processes of a session that are alive, from /proc."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            members.append(stat.parent.name)
    return members


def test_one_file_holds_what_the_files_hold_and_nothing_else_is_left(data):
    store(data, data / "files").extract()
    progress = one_file(data, data / "table").extract()
    assert progress.finished and (progress.done, progress.read) == (20, 17)
    names = sorted(contents(data / "table"))
    assert names == ["data.json", "manifest.json", "priors.npy", "unread.jsonl"]
    assert not [path for path in (data / "table").iterdir() if path.is_dir()]
    by_file, by_row = (dict(stored_priors(data / name)) for name in ("files", "table"))
    assert by_file.keys() == by_row.keys() and len(by_row) > 15
    for name, path in by_row.items():
        assert read_prior_file(path, 3, name).tobytes() == read_prior_file(by_file[name], 3, name).tobytes()
    samples = [samples_of(data / name / "data.json", data / "images") for name in ("files", "table")]
    priors, rows = (gather_priors(read, Mean()) for read in samples)
    assert (priors[0] == rows[0]).all() and (priors[1] == rows[1]).all() and rows[1].any()


def test_one_file_has_the_same_bytes_however_the_work_is_cut_and_is_not_made_twice(data, monkeypatch):
    one_file(data, data / "whole").extract()
    for index in (1, 0, 2):
        one_file(data, data / "parts").extract(Shard(index, 3))
    assert contents(data / "whole") == contents(data / "parts")
    monkeypatch.setattr(Mean, "read", lambda self, crop: pytest.fail("a picture was read again"))
    assert one_file(data, data / "whole").extract().read == 17
    assert store(data, data / "whole").extract().finished  # the same vectors, whatever their layout


def test_one_file_is_not_mixed_with_files(data):
    store(data, data / "out").extract()
    with pytest.raises(InputError, match="holds the priors of another run"):
        one_file(data, data / "out").extract()


@pytest.mark.trust
@pytest.mark.parametrize(
    ("content", "row", "message"),
    [
        (np.zeros((2, 3), np.float32), 2, "it has 2 rows, and row 2 is asked for"),
        (np.zeros(3, np.float32), 0, "float32 of shape"),
        (np.full((2, 3), np.nan, np.float32), 0, "NaN or infinity"),
        (np.zeros((2, 4), np.float32), 0, "a prior of 4 numbers"),
        (None, 0, "has no readable prior"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_its_sample(tmp_path, content, row, message):
    file = tmp_path / "priors.npy"
    file.write_bytes(b"no table") if content is None else np.save(file, content)
    with pytest.raises(InputError, match=message) as refused:
        read_prior_file(Path(f"{file}#{row}"), 3, "anna")
    assert "'anna'" in str(refused.value)


@pytest.mark.trust
@pytest.mark.parametrize("landmark", ["../priors.npy#1", "/etc/priors.npy#1", "a/../../priors.npy#0"])
def test_a_row_is_looked_for_inside_the_folders_only(tmp_path, landmark):
    with pytest.raises(InputError, match="which is not inside"):
        prior_path(tmp_path / "data.json", tmp_path, landmark, "anna")


def one_file(data, out):
    return PriorStore(data / "data.json", data / "images", Mean(), out, one_file=True)


def samples_of(path, image_root):
    """Samples of a store's list, of which only image, source and prior are looked at."""
    entries = [entry for entry in json.loads(path.read_text()) if "image" in entry]
    return [
        FaceSample(
            id=str(entry.get("id", entry["image"])),
            image=entry["image"],
            image_path=image_root / entry["image"],
            prior_path=prior_path(path, image_root, entry["landmark"], "x") if "landmark" in entry else None,
            source=path,
        )
        for entry in entries
    ]
