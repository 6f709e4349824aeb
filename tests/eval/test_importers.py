"""Other tools' answers give the numbers of the same answers in answers.jsonl; what does not fit is refused."""

import json
import random

import pytest

from tests.eval.answer_lines import emotion_line, random_lines, refused, scored, write_lines


@pytest.fixture
def lines():
    return random_lines(random.Random(2), 30)


@pytest.fixture
def ours(tmp_path, lines, capsys):
    return scored(capsys, write_lines(tmp_path / "answers.jsonl", lines))


@pytest.fixture
def references(tmp_path, lines):
    """FABA-Instruct's evaluation file as it is released: no ids."""
    path = tmp_path / "eval.json"
    path.write_text(
        json.dumps([{"image": f"faces/{o['image']}", "label": o["label"], "gpt4": o["reference"]} for o in lines])
    )
    return path


def model_vqa(line, question_id):
    return {"question_id": question_id, "prompt": line["question"], "text": line["answer"], "answer_id": "x"} | {
        "model_id": "llava-v1.5-7b",
        "metadata": {},
    }


@pytest.mark.parametrize("key", ["image", "name", "stem", "number"])
def test_llavas_model_vqa_files_score_like_our_own(tmp_path, lines, ours, references, capsys, key):
    keys = [
        {"image": f"faces/{line['image']}", "name": line["image"], "stem": line["image"][:-4], "number": number}[key]
        for number, line in enumerate(lines)
    ]
    path = write_lines(tmp_path / "vqa.jsonl", [model_vqa(line, k) for line, k in zip(lines, keys, strict=True)])
    (theirs,) = scored(capsys, path, "--references", references, "--task", "emotion")
    assert (theirs["s_re"], theirs["n"], theirs["failed"]) == (ours[0]["s_re"], 30, 0)
    assert theirs["rege"] == pytest.approx(ours[0]["rege"])


def test_a_map_and_a_csv_score_like_our_own(tmp_path, lines, ours, references, capsys):
    pairs = {line["image"]: line["answer"] for line in lines}
    (tmp_path / "map.json").write_text(json.dumps(pairs))
    (tmp_path / "table.csv").write_text("image,answer\n" + "".join(f'{k},"{v}"\n' for k, v in pairs.items()))
    for name in ("map.json", "table.csv"):
        (theirs,) = scored(capsys, tmp_path / name, "--references", references, "--task", "emotion")
        assert theirs["rege"] == pytest.approx(ours[0]["rege"])


def test_a_csv_with_labels_and_tasks_needs_nothing_else(tmp_path, lines, ours, capsys):
    rows = [f'{o["id"]},emotion,"{o["answer"]}",{o["label"]},"{o["reference"]}"' for o in lines]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["id,task,answer,label,reference", *rows]))
    assert scored(capsys, path)[0]["rege"] == ours[0]["rege"]


def test_references_may_be_another_models_answers(tmp_path, lines, ours, capsys):
    references = write_lines(tmp_path / "other.jsonl", [line | {"answer": "whatever"} for line in lines])
    (tmp_path / "map.json").write_text(json.dumps({line["id"]: line["answer"] for line in lines}))
    assert scored(capsys, tmp_path / "map.json", "--references", references)[0]["rege"] == ours[0]["rege"]


def test_a_sample_without_an_answer_is_counted_as_failed(tmp_path, lines, references, capsys):
    (tmp_path / "map.json").write_text(json.dumps({line["image"]: line["answer"] for line in lines[:-2]}))
    (theirs,) = scored(capsys, tmp_path / "map.json", "--references", references, "--task", "emotion")
    assert (theirs["n"], theirs["failed"]) == (30, 2)
    assert {sample["id"] for sample in theirs["listed"]["failed"]} == {f"faces/{line['image']}" for line in lines[-2:]}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("vqa.jsonl", '{"question_id": 1, "text": "x"}\n{"question_id": 2}\n', "line 2 has no question_id or no text"),
        ("vqa.jsonl", '{"question_id": 1, "text": "x"}\n{torn\n', "line 2 is not JSON"),
        ("vqa.jsonl", '{"question_id": "who", "text": "x"}\n', "line 1 answers 'who', which is no sample"),
        ("vqa.jsonl", '{"question_id": 0, "text": "x"}\n' * 2, "line 2 repeats the id '0'"),
        ("map.json", "[1]", "is no object of texts"),
        ("map.json", "{}", "is empty"),
        ("map.json", '{"a": 1}', "is no object of texts"),
        ("table.csv", "name,answer\nx,y\n", "row 2 has no id"),
        ("table.csv", "id,words\nx,y\n", "row 2 has no id, no answer"),
        ("table.csv", "id,answer\nx,y,z\n", "row 2 has no id, no answer or too many cells"),
        ("table.csv", 'id,answer\nx,"y\n', "is no CSV"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path, references, capsys, name, content, said):
    (tmp_path / name).write_text(content)
    assert said in refused(capsys, tmp_path / name, "--references", references, "--task", "emotion")


def test_missing_references_and_tasks_are_asked_for(tmp_path, lines, references, capsys):
    vqa = write_lines(tmp_path / "vqa.jsonl", [model_vqa(line, line["image"]) for line in lines])
    assert "comes without a label" in refused(capsys, vqa)
    assert "does not say which task" in refused(capsys, vqa, "--references", references)
    (tmp_path / "bad.json").write_text('[{"image": "1.jpg"}]')
    assert "sample 0 has no image or no label" in refused(
        capsys, vqa, "--references", tmp_path / "bad.json", "--task", "emotion"
    )
    own = write_lines(tmp_path / "own.jsonl", [emotion_line(99)])
    assert "of the same kind" in refused(capsys, own, vqa, "--references", references, "--task", "emotion")


def test_folds_take_their_own_references(tmp_path, lines, references, capsys):
    halves = []
    for number, part in enumerate((lines[:15], lines[15:])):
        path = tmp_path / f"fold{number}.json"
        path.write_text(json.dumps({line["image"]: line["answer"] for line in part}))
        entries = [{"image": line["image"], "label": line["label"], "gpt4": line["reference"]} for line in part]
        (tmp_path / f"eval{number}.json").write_text(json.dumps(entries))
        halves.append(path)
    both = [tmp_path / "eval0.json", tmp_path / "eval1.json"]
    (mean,) = scored(capsys, *halves, "--folds", "--task", "emotion", "--references", *both)
    assert [fold["n"] for fold in mean["folds"]] == [15, 15]
    assert "2 folds were given with 1 references" in refused(
        capsys, *halves, "--folds", "--task", "emotion", "--references", references
    )


def test_flags_that_would_be_ignored_are_refused(tmp_path, lines, capsys):
    path = write_lines(tmp_path / "answers.jsonl", lines)
    assert "--thumbnails was given without --html" in refused(capsys, path, "--thumbnails")
    assert "--json and --csv would both go to standard output" in refused(capsys, path, "--json", "--csv")


def test_numbers_that_may_count_from_one_are_refused(tmp_path, lines, references, capsys):
    """Ids 1 to 4 for five samples, all answered right, gave S_re 0.0: each answer was joined to its neighbour."""
    five = tmp_path / "five.json"
    entries = [
        {"image": f"{k}.png", "label": line["label"], "gpt4": ""} for k, line in zip("abcde", lines, strict=False)
    ]
    five.write_text(json.dumps(entries))
    vqa = write_lines(tmp_path / "vqa.jsonl", [model_vqa(line, k) for k, line in enumerate(lines[:4], start=1)])
    assert "which is no sample of the references" in refused(capsys, vqa, "--references", five, "--task", "emotion")


def test_references_and_task_beside_our_own_answers_are_refused(tmp_path, lines, references, capsys):
    own = write_lines(tmp_path / "own.jsonl", lines)
    assert "--references was given" in refused(capsys, own, "--references", references, "--task", "emotion")
    assert "--task was given" in refused(capsys, own, "--task", "emotion")


def table(path, lines, column="answer_emotion"):
    """What `describe --input --csv` writes of pictures with one face each, in its columns."""
    rows = [f'{line["image"]},,,0,"{line["answer"]}",' for line in lines]
    path.write_text("\n".join([f"input,frame,timestamp,face_id,{column},unread", *rows]))
    return path


def test_our_own_table_is_scored_like_our_own_answers(tmp_path, lines, ours, references, capsys):
    path = table(tmp_path / "faces.csv", lines)
    (theirs,) = scored(capsys, path, "--references", references, "--task", "emotion")
    assert (theirs["s_re"], theirs["n"], theirs["failed"]) == (ours[0]["s_re"], 30, 0)


def test_our_own_table_with_two_faces_of_a_picture_or_another_task_is_refused(tmp_path, lines, references, capsys):
    twice = table(tmp_path / "twice.csv", [*lines, lines[0]])
    assert "are two faces or frames of" in refused(capsys, twice, "--references", references, "--task", "emotion")
    other = table(tmp_path / "other.csv", lines, "answer_au")
    assert "holds no answers of the task emotion" in refused(
        capsys, other, "--references", references, "--task", "emotion"
    )
