"""The rules `emola` and our ROUGE-L are the released scorer: recorded outputs, one by one, and its known quirks."""

import json
from pathlib import Path

import pytest
from sklearn.metrics import f1_score

from llava_faba.eval.answers import Answer
from llava_faba.eval.bench import score
from llava_faba.eval.labels import DATASETS, released_au_label
from llava_faba.eval.parse import parse_aus, parse_emotion
from llava_faba.eval.rouge import rouge_l
from llava_faba.vocabulary import EMOTIONS
from tests.conftest import shared_path

GOLDEN = Path(__file__).parents[1] / "golden" / "released_scorer.json"
RECORDED = {"FABA": "faba", "DISFA": "disfa", "BP4D": "bp4d", "GFT": "gft", "EmotioNet": "emotionet"}


@pytest.fixture(params=["committed", "shared"])
def recorded(request):
    """The synthetic cases that are committed, and all of them where the reference material is."""
    path = GOLDEN if request.param == "committed" else shared_path("reference", "rege", "released_scorer.json")
    return json.loads(path.read_text())


def test_every_recorded_emotion_agrees_and_a_crash_is_failed(recorded):
    assert tuple(name.capitalize() for name in recorded["emotions"]) == EMOTIONS
    assert len(recorded["emotion"]) >= 97
    for case in recorded["emotion"]:
        read = parse_emotion(case["text"], "emola")
        expected = (None, "failed") if "error" in case else (EMOTIONS[case["label"]], "decided")
        assert (read.value, read.status) == expected, case["text"]


@pytest.mark.parametrize(("recorded_name", "name"), RECORDED.items())
def test_every_recorded_au_vector_agrees(recorded, recorded_name, name):
    dataset = DATASETS[name]
    assert len(recorded["au"]) == 70
    for case in recorded["au"]:
        found = parse_aus(case["text"], dataset, "emola").value
        assert [int(au in found) for au in dataset.read_aus] == case[recorded_name]["pred"], case["text"]
        label = released_au_label(case["label"], dataset)
        assert [int(au in label) for au in dataset.read_aus] == case[recorded_name]["target"], case["label"]


def test_every_recorded_rouge_l_agrees(recorded):
    assert len(recorded["rouge"]) >= 26
    for case in recorded["rouge"]:
        assert abs(rouge_l(case["prediction"], case["reference"]) - case["rouge_l_f"]) < 1e-9


def answer(number, task, text, label, reference=""):
    return Answer(str(number), "", task, "", text, reference, str(label), f"case {number}")


@pytest.mark.parametrize(("recorded_name", "name"), RECORDED.items())
def test_the_recorded_cases_agree_in_aggregate_aus(recorded, recorded_name, name):
    """The mean over the scored AUs of F1 from the recorded vectors, left out where all of them agree on one value."""
    dataset = DATASETS[name]
    cases = [answer(k, "au", case["text"], case["label"]) for k, case in enumerate(recorded["au"])]
    (ours,) = score(cases, dataset, ["emola"])
    expected = []
    for au in dataset.scored_aus:
        place = dataset.read_aus.index(au)
        found, label = ([case[recorded_name][kind][place] for case in recorded["au"]] for kind in ("pred", "target"))
        if len({*found, *label}) > 1:
            expected.append(f1_score(label, found, zero_division=0))
    assert ours.values["s_re"] == pytest.approx(sum(expected) / len(expected), abs=1e-12)


def test_the_recorded_cases_agree_in_aggregate_emotions_and_rouge(recorded):
    emotions = [answer(k, "emotion", case["text"], k % 7) for k, case in enumerate(recorded["emotion"])]
    (ours,) = score(emotions, DATASETS["faba"], ["emola"])
    right = sum(case.get("label") == k % 7 for k, case in enumerate(recorded["emotion"]))
    assert ours.values["s_re"] == pytest.approx(right / len(emotions))
    assert ours.count("failed") == sum("error" in case for case in recorded["emotion"])
    pairs = [answer(k, "emotion", c["prediction"], 0, c["reference"]) for k, c in enumerate(recorded["rouge"])]
    (ours,) = score(pairs, DATASETS["faba"], ["emola"])
    mean = sum(case["rouge_l_f"] for case in recorded["rouge"]) / len(pairs)
    assert ours.values["s_ge"] == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("The man is sad.", "Happiness"),  # no listed word at all
        ("She looks angry and furious.", "Happiness"),
        ("Her nose is wrinkled in disgust. She is smiling.", "Happiness"),  # "no" in "nose" drops the first sentence
        ("He is annoyed. A calm face.", "Neutral"),  # "no" in "annoyed", a word of its own anger list
        ("She is not happy.", "Happiness"),  # everything is negative, so the whole text is read
        ("A smile. Fear, panic, fear and fear.", "Happiness"),  # the first sentence wins over counts
        ("The face. Fear and panic, joy.", "Fear"),  # counts decide only without a word in the first sentence
        ("A look of discomfort.", "Sadness"),  # in two lists: the earlier emotion
        ("A look of displeased eyes.", "Anger"),
        ("The face! There is no joy. Fear.", "Fear"),  # "!" ends the first sentence, and no sentence to be dropped
    ],
)
def test_the_released_parser_is_reproduced_quirk_for_quirk(text, emotion):
    assert parse_emotion(text, "emola").value == emotion


@pytest.mark.parametrize("text", ["", "  ", "Happy", "The emotions are:\n- Happiness."])
def test_a_text_on_which_the_released_code_crashes_is_failed(text):
    read = parse_emotion(text, "emola")
    assert (read.value, read.status) == (None, "failed")
    assert read.reason


def test_the_released_au_pattern_misses_and_takes_what_it_did():
    faba = DATASETS["faba"]
    text = "AU 6, au4, AUs 25 and 26, AU012, AU1+2, AU12 is not present."
    assert parse_aus(text, faba, "emola").value == (1, 12)


def test_a_label_without_blanks_holds_no_au_in_the_released_code():
    assert released_au_label("1,4,12", DATASETS["faba"]) == ()
    assert released_au_label("1, 4, 12", DATASETS["faba"]) == (1, 4, 12)


def test_the_paper_counts_and_leaves_nothing_to_happiness():
    assert parse_emotion("A smile. Fear, panic, fear and fear.", "paper").value == "Fear"
    assert parse_emotion("Fear and joy. A smile, a tension.", "paper").value == "Fear"  # two each: the one met first
    for text in ("The man is sad.", "She is not happy.", ""):
        read = parse_emotion(text, "paper")
        assert (read.value, read.status) == (None, "undecided")
