"""The page stands alone and shows what it must; LaTeX and CSV hold the numbers of the JSON."""

import csv
import json
import random
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from llava_faba import cli
from tests.eval.answer_lines import au_line, emotion_line, random_lines, write_lines

VOID = {"meta", "link", "img", "br", "wbr"}


class Page(HTMLParser):
    """Checks that tags nest, and collects what the page refers to and how often each element stands in it."""

    def __init__(self, text):
        super().__init__()
        self.open, self.counts, self.references = [], {}, []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.references += [value for name, value in attributes if name in ("src", "href")]
        assert not [name for name, _ in attributes if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def answers(tmp_path):
    lines = [*random_lines(random.Random(0), 60), *[au_line(k, label="6" if k % 3 else "12, 43") for k in range(20)]]
    lines[7]["answer"] = '<script>alert(1)</script> & "quotes" happy.'
    lines[7] |= {"label": "Fear", "reference": "</article><b>"}
    lines[8]["answer"] = ""
    return write_lines(tmp_path / "answers.jsonl", lines)


def run(capsys, *arguments):
    status = cli.main(["score", *map(str, arguments)])
    output = capsys.readouterr()
    assert status == 0, output.err
    return output.out


def test_the_page_stands_alone_and_shows_worst_and_best(tmp_path, answers, capsys):
    path = tmp_path / "report.html"
    run(capsys, answers, "--rules", "emola", "--rules", "strict", "--compare", "--html", path)
    text = path.read_text()
    page = Page(text)
    assert set(page.references) == {"data:,"}
    assert "script" not in page.counts
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert page.counts["article"] == 30 + 20  # 20 worst and 10 best of 60, all 20 of 20
    assert page.counts["svg"] == 4
    for shown in ("EmoLA (Table 7)", "failed:1", "Confusion, rules strict", "inner brow raiser", "AU43", "empty"):
        assert shown in text


def test_the_page_shows_probabilities_groups_and_pairs(tmp_path, capsys):
    lines = random_lines(random.Random(1), 40)
    names = ["Happiness", "Sadness", "Surprise", "Anger", "Neutral", "Disgust", "Fear"]
    for line in lines:
        line["probabilities"] = {name: 0.4 if name == line["label"] else 0.1 for name in names}
    answers = write_lines(tmp_path / "answers.jsonl", lines)
    table = tmp_path / "groups.csv"
    table.write_text("id,sex\n" + "".join(f"face-{k},{'fm'[k % 2]}\n" for k in range(40)))
    run(capsys, answers, "--groups", table, "--paired", answers, "--html", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    Page(text)
    assert "reliability of Emotion" in text
    assert "S_re by sex" in text
    assert "Difference to" in text


def test_thumbnails_are_put_in_on_request_only(tmp_path, capsys):
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "0.jpg")
    (tmp_path / "1.jpg").write_text("no picture")
    answers = write_lines(tmp_path / "answers.jsonl", [emotion_line(0), emotion_line(1), emotion_line(2)])
    path = tmp_path / "report.html"
    run(capsys, answers, "--html", path)
    assert "img" not in Page(path.read_text()).counts
    run(capsys, answers, "--html", path, "--thumbnails", "--image-root", tmp_path)
    page = Page(path.read_text())
    assert page.counts["img"] == 1
    assert any(reference.startswith("data:image/jpeg;base64,") for reference in page.references)


@pytest.mark.trust
def test_a_thumbnail_outside_the_image_root_is_refused(tmp_path, capsys):
    answers = write_lines(tmp_path / "answers.jsonl", [emotion_line(0, image="../secret.jpg")])
    status = cli.main(["score", str(answers), "--html", str(tmp_path / "x.html"), "--thumbnails", "--image-root", "."])
    assert (status, "face-0" in capsys.readouterr().err) == (2, True)
    assert not (tmp_path / "x.html").exists()


def test_csv_and_latex_hold_the_numbers_of_the_json(tmp_path, answers, capsys):
    out = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "tex")}
    run(capsys, answers, "--json", out["json"], "--csv", out["csv"], "--latex", out["tex"], "--compare")
    results = {result["task"]: result for result in json.loads(out["json"].read_text())}
    rows = list(csv.DictReader(out["csv"].open()))
    for row in rows:
        result = results[row["task"]]
        value = result["per_class"][row["class"]][row["metric"]] if row["class"] else result[row["metric"]]
        assert (float(row["value"]) if row["value"] else None) == value
    assert {row["class"] for row in rows if row["task"] == "au"} == {"", *results["au"]["per_class"]}
    latex = out["tex"].read_text()
    ours = next(line for line in latex.splitlines() if line.startswith("answers (emola)"))
    cells = ours.removesuffix(r" \\").split(" & ")[1:]
    assert cells[:3] == [f"{results['emotion'][key]:.1f}" for key in ("s_re", "s_ge", "rege")]
    assert cells[-1] == f"{results['au']['rege']:.1f}"
    assert results["au"]["signature"] in latex
    for line in latex.splitlines():
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert line.count("&") == 18
    assert re.search(r"begin\{tabular\}\{l(r{18})\}", latex)
    assert "published" in results["au"]


def test_json_to_standard_output_is_nothing_but_json(answers, capsys):
    assert len(json.loads(run(capsys, answers, "--json", "-"))) == 2
    assert run(capsys, answers, "--csv").startswith("dataset,task,rules")
    assert r"\toprule" in run(capsys, answers, "--latex")
