"""An audit draws a fair sample, is filled in by a person, and says how good the annotations are."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.engine.agreement import kappa, wilson
from llava_faba.engine.audit import PAPER_F1, PAPER_MEAN_F1, draw
from llava_faba.engine.sheet import read_sheet
from llava_faba.errors import InputError
from llava_faba.files import write_json

EMOTIONS = ["happiness", "sadness", "surprise"]


def entry(number, text, question="Which emotion?", **more):
    turns = [{"from": "human", "value": f"{question}\n<image>"}, {"from": "gpt", "value": text}]
    return {"id": f"{number:03d}", "image": f"{number:03d}.png", "conversations": turns, **more}


@pytest.fixture
def data(tmp_path):
    """60 emotion samples of three emotions; a tenth of them are doubtful. Every picture is there."""
    entries = []
    for number in range(60):
        text = f"The face shows {EMOTIONS[number % 3]}."
        entries.append(entry(number, text, confidence=0.2 if number % 10 == 0 else 0.9))
        Image.fromarray(np.full((24, 24, 3), number * 4, np.uint8)).save(tmp_path / f"{number:03d}.png")
    return write_json(tmp_path / "d.json", entries)


@pytest.fixture
def au_data(tmp_path):
    texts = [
        "AU6 and AU12 are active.",
        "AU4 is active.",
        "AU1, AU2 and AU25 are active.",
        "No action units are active.",
    ]
    entries = [entry(number, texts[number % 4], "Which action units are active?") for number in range(40)]
    for number in range(40):
        Image.fromarray(np.full((24, 24, 3), number, np.uint8)).save(tmp_path / f"{number:03d}.png")
    return write_json(tmp_path / "au.json", entries)


def audit(*words):
    return cli.main(["audit", *map(str, words)])


def fill_in(sheet, out, judge):
    """Fill in a CSV sheet: `judge` maps a row's id to what the person writes."""
    rows = list(csv.DictReader(sheet.open()))
    for row in rows:
        row["label"] = judge(row["id"])
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return out


def truth_of(identity):
    return EMOTIONS[int(identity) % 3].title()


def test_doubtful_samples_are_drawn_more_often_and_weighed_back(data):
    drawn = draw(json.loads(data.read_text()), 30)
    doubtful = [weight for one, weight in drawn if one["confidence"] < 0.5]
    assert len(drawn) == 30 and len(doubtful) == 6 and drawn[0][0]["confidence"] == 0.2
    assert sum(weight for _, weight in drawn) == pytest.approx(60)
    assert draw(json.loads(data.read_text()), 30) == drawn != draw(json.loads(data.read_text()), 30, seed=1)
    assert len(draw(json.loads(data.read_text()), 1)) == 1 and len(draw(json.loads(data.read_text()), 999)) == 60


def test_a_filled_in_sheet_gives_accuracy_beside_the_papers(data, tmp_path, capsys):
    sheet, filled = tmp_path / "s.csv", tmp_path / "f.csv"
    assert audit(data, "--sheet", sheet, "--n", 60) == 0
    fill_in(sheet, filled, lambda name: "Anger" if int(name) < 6 else "unclear" if name == "007" else truth_of(name))
    assert audit(data, "--read", filled, "--json", tmp_path / "r.json") == 0
    (found,) = json.loads((tmp_path / "r.json").read_text())["sheets"]
    assert found["judged"] == 59 and found["unclear"] == 1 and found["emotion"]["paper"] == 91.0
    assert found["emotion"]["accuracy"] == round(100 * 53 / 59, 1)
    assert found["emotion"]["ci95"] == [round(100 * end, 1) for end in wilson(53 / 59, 59)]
    shown = capsys.readouterr().out
    assert "FABA-Instruct 91.0 %" in shown and "89.8 %" in shown


def test_weights_undo_the_uneven_draw(data, tmp_path):
    sheet, filled = tmp_path / "s.csv", tmp_path / "f.csv"
    audit(data, "--sheet", sheet, "--n", 30)
    fill_in(sheet, filled, lambda name: "Anger" if int(name) % 10 == 0 else truth_of(name))  # the doubtful are wrong
    audit(data, "--read", filled, "--json", tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())["sheets"][0]["emotion"]
    assert found["accuracy"] == 90.0 and found["right"] / found["n"] == 0.8  # a tenth of the file is doubtful


def test_action_units_get_f1_beside_the_papers(au_data, tmp_path):
    sheet, filled = tmp_path / "s.csv", tmp_path / "f.csv"
    audit(au_data, "--sheet", sheet, "--n", 40)
    judged = ["6, 12", "4", "1, 2, 25", "none"]
    fill_in(sheet, filled, lambda name: "6" if int(name) in (0, 4) else judged[int(name) % 4])
    audit(au_data, "--read", filled, "--json", tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())["sheets"][0]["au"]
    assert found["each"]["AU12"]["f1"] == round(100 * 2 * 8 / (2 * 8 + 2), 1) and found["each"]["AU6"]["f1"] == 100
    low, high = found["each"]["AU12"]["ci95"]
    assert low < found["each"]["AU12"]["f1"] < high and found["each"]["AU12"]["paper"] == 84.3
    assert set(found["each"]) == {"AU1", "AU2", "AU4", "AU6", "AU12", "AU25"}


def test_the_papers_figures_are_those_of_its_tables():
    mean = sum(PAPER_F1.values()) / len(PAPER_F1)  # 76.15, printed as 76.1
    assert abs(mean - PAPER_MEAN_F1) <= 0.0501


def test_two_people_get_kappa(data, tmp_path):
    sheet = tmp_path / "s.csv"
    audit(data, "--sheet", sheet, "--n", 60)
    one = fill_in(sheet, tmp_path / "one.csv", truth_of)
    other = fill_in(sheet, tmp_path / "two.csv", lambda name: truth_of(name) if int(name) % 4 else "Anger")
    audit(data, "--read", one, "--read", other, "--json", tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())["people"]["emotion"]
    metrics = pytest.importorskip("sklearn.metrics", reason="the reference for kappa is scikit-learn")
    rows = [{row["id"]: row["label"] for row in csv.DictReader(path.open())} for path in (one, other)]
    expected = metrics.cohen_kappa_score([rows[0][k] for k in rows[0]], [rows[1][k] for k in rows[0]])
    assert found["kappa"] == round(expected, 3) and found["ci95"][0] < found["kappa"] < found["ci95"][1]
    assert np.isnan(kappa(["a", "a"], ["a", "a"]))


def test_wilsons_interval_is_that_of_scipy():
    from scipy.stats import binomtest

    for right, n in ((182, 200), (0, 10), (10, 10), (1, 3)):
        reference = binomtest(right, n).proportion_ci(method="wilson")
        assert wilson(right / n, n) == pytest.approx((reference.low, reference.high), abs=1e-6)


def test_a_sheet_of_another_file_is_refused(data, tmp_path, capsys):
    sheet = tmp_path / "s.csv"
    audit(data, "--sheet", sheet, "--n", 10)
    fill_in(sheet, tmp_path / "f.csv", truth_of)
    entries = json.loads(data.read_text())
    for one in entries:
        one["conversations"][1]["value"] += " It is strong."
    write_json(data, entries)
    assert audit(data, "--read", tmp_path / "f.csv") == 2 and "another text" in capsys.readouterr().err


@pytest.mark.parametrize("change", [("label", "Joyful"), ("weight", "x"), ("task", "mood"), ("weight", "-1")])
def test_a_damaged_sheet_is_one_clear_error(data, tmp_path, change):
    audit(data, "--sheet", tmp_path / "s.csv", "--n", 5)
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    rows[2] |= {"label": "Anger", change[0]: change[1]}
    with (tmp_path / "f.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(InputError):
        read_sheet(tmp_path / "f.csv")


@pytest.mark.parametrize("minimal", [False, True])
def test_label_studio_gets_tasks_and_its_export_is_read(au_data, tmp_path, minimal):
    tasks_file, export = tmp_path / "ls.json", tmp_path / "export.json"
    assert audit(au_data, "--label-studio", tasks_file, "--n", 12) == 0
    tasks = json.loads(tasks_file.read_text())
    assert "<Choices" in (tmp_path / "ls.au.xml").read_text() and tasks[0]["data"]["image"].startswith("data:image/png")
    exported = []
    for number, task in enumerate(tasks):
        result = task["predictions"][0]["result"]  # an annotator who accepts every label
        skipped = {"was_cancelled": True, "result": []}
        if minimal:
            exported.append({**task["data"], "label": {"choices": result[0]["value"]["choices"]}, "annotator": 1})
        else:
            done = {"id": number, "completed_by": 1, "was_cancelled": False, "result": result}
            exported.append({"id": number, "data": task["data"], "annotations": [done, skipped]})
    write_json(export, exported)
    audit(au_data, "--read", export, "--json", tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())["sheets"][0]
    assert found["judged"] == 12 and found["au"]["mean_f1"] == 100


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.slow
def test_the_sheet_is_filled_in_by_keyboard_alone_and_read_back(data, au_data, tmp_path):
    """A person fills in both tasks in a browser, closes it half-way, goes on, and saves a CSV."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need the package playwright")
    if BROWSER is None:
        pytest.skip("the browser tests need chromium (apt-get install chromium)")
    audit(data, "--sheet", tmp_path / "e.html", "--n", 12)
    audit(au_data, "--sheet", tmp_path / "a.html", "--n", 8)
    fetched = []
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=BROWSER, headless=True, args=["--no-sandbox", "--disable-gpu"]
        )

        def open_sheet(name):
            page = context.new_page()
            page.on("request", lambda request: fetched.append(request.url))
            page.on("pageerror", lambda error: fetched.append(f"error: {error}"))
            page.goto(f"file://{tmp_path / name}")
            page.bring_to_front()  # keys go to the tab in front
            return page

        def save(page, out):
            with page.expect_download() as download:
                page.keyboard.press("s")
            download.value.save_as(out)

        page = open_sheet("e.html")
        for _ in range(6):
            page.keyboard.press("1")  # Happiness; the next face comes at once
        assert "6 filled in" in page.inner_text("#state")
        for _ in range(20):  # what a tab stored may reach another tab a moment later
            page.close()
            page = open_sheet("e.html")
            if "6 filled in" in page.inner_text("#state"):
                break
            page.wait_for_timeout(500)
        assert "6 filled in" in page.inner_text("#state")
        for _ in range(6):
            page.keyboard.press("ArrowRight")
        for key in "23u":
            page.keyboard.press(key)
        assert page.is_hidden("#text")
        page.keyboard.press("w")
        assert "The face shows" in page.inner_text("#text")
        page.keyboard.press("n")
        page.keyboard.type('a "note", 1')
        page.keyboard.press("Enter")
        save(page, tmp_path / "e.csv")
        page = open_sheet("a.html")
        for keys in (["e", "h", "Enter"], ["e", "h", "h", "Enter"], ["0"]):
            for key in keys:
                page.keyboard.press(key)
        save(page, tmp_path / "a.csv")
        context.close()
    judged, empty = read_sheet(tmp_path / "e.csv")
    assert [one.label for one in judged] == ["Happiness"] * 6 + ["Sadness", "Surprise", None] and empty == 3
    assert 'a "note", 1' in [row["note"] for row in csv.DictReader((tmp_path / "e.csv").open())]
    judged, empty = read_sheet(tmp_path / "a.csv")
    assert [one.label for one in judged] == [(6, 10), (6,), ()] and empty == 5
    assert audit(data, "--read", tmp_path / "e.csv") == 0 and audit(au_data, "--read", tmp_path / "a.csv") == 0
    assert not [url for url in fetched if not url.startswith(("file:", "data:", "blob:"))]
