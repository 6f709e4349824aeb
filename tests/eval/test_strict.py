"""The rules `strict`: AUs in any spelling, negation by whole words in its own scope, no guess."""

# ruff: noqa: RUF001 - dashes and apostrophes as models write them are what is tested

import time

import pytest

from llava_faba.eval.labels import DATASETS
from llava_faba.eval.parse import parse_aus, parse_emotion
from llava_faba.eval.strict import explained

FABA = DATASETS["faba"]


@pytest.mark.parametrize(
    ("text", "aus"),
    [
        ("Action Unit 4 (Brow Lowerer)", (4,)),
        ("AU 4, au6 and AU-7.", (4, 6, 7)),
        ("AUs 1, 2 and 4 are active.", (1, 2, 4)),
        ("action units (AUs) 6 and 12", (6, 12)),
        ("AU1+2, AU4/7", (1, 2, 4, 7)),
        ("AU012 and AU4C", (4, 12)),
        ("1. AU26 - Jaw Drop: the jaw hangs.\n2. **AU25: Lips Part** – apart", (25, 26)),
        ("AU120, AU4, 10% of the time", (4,)),
        ("AUs 25 and 26 years", (25,)),
    ],
)
def test_aus_are_read_however_they_are_written(text, aus):
    assert parse_aus(text, FABA, "strict").value == aus


@pytest.mark.parametrize(
    ("text", "aus"),
    [
        ("AU12 is not present.", ()),
        ("AU12 (Lip Corner Puller) isn’t visible, but AU25 is.", (25,)),
        ("AU4 and AU7 are not present.", ()),
        ("There is no sign of AU4, AU7 or AU9. AU12 is visible.", (12,)),
        ("neither AU1 nor AU2 is present, AU4 is.", (4,)),
        ("AU12 is visible, AU6 and AU7 are not.", (12,)),
        ("The face does not show AU1 and AU2.", ()),
        ("- AU5: Upper Lid Raiser – Not visible\n- AU4 (Brow Lowerer): lowered", (4,)),
        ("AU5: No movement. AU6 shows no activation. AU7: absent", ()),
        ("no brow lowering (AU4)", ()),
    ],
)
def test_denied_aus_do_not_count(text, aus):
    assert parse_aus(text, FABA, "strict").value == aus


@pytest.mark.parametrize(
    ("text", "aus"),
    [
        ("AU9 wrinkles the nose; another notable one is AU10.", (9, 10)),  # "no" inside words
        ("AU6 is not strong. Not only AU6 but AU12.", (6, 12)),
        ("Without more context, AU4 cannot be ruled out.", (4,)),
        ("AU12: lip corners pulled up, teeth not visible", (12,)),
        ("There is no tension and AU25 is active.", (25,)),
    ],
)
def test_what_only_looks_like_a_denial_denies_nothing(text, aus):
    assert parse_aus(text, FABA, "strict").value == aus


@pytest.mark.parametrize(
    ("text", "aus"),
    [
        ("AU12 is not clearly present.", ()),
        ("AU12 is not actually present.", ()),
        ("AU12 is not visibly present.", ()),
        ("AU12 does not appear to be present.", ()),
        ("AU12 does not appear to be activated.", ()),
        ("AU12 does not appear to be active because AU15 is.", (15,)),
        ("AU12: no", ()),
        ("AU12: 0", ()),
        ("AU12: False", ()),
        ('{"AU1": 0, "AU4": 1}', (4,)),
        ("The face is not neutral: AU4, AU7", (4, 7)),
        ("AU43 - the eyes are not open", (43,)),
    ],
)
def test_ordinary_denials_are_no_affirmations(text, aus):
    """All but one were read as affirmed, the last two as denied: "not ...ly" was swallowed, values were not read."""
    assert parse_aus(text, FABA, "strict").value == aus


@pytest.mark.parametrize(
    ("text", "aus"),
    [
        ("Action units present: 1, 4, 12", (1, 4, 12)),
        ("[1, 4, 12]", (1, 4, 12)),
        ("inner brow raiser, lip corner puller", (1, 12)),
        ("AUs 6, 12, and 25", (6, 12, 25)),
        ("The brows are lowered and the lips are pressed together.", (4, 24)),
        ("| AU | Present |\n|---|---|\n| 4 | yes |\n| 12 | no |", (4,)),
        ("Not present:\n- AU1\n- AU2\n\nPresent:\n- AU4", (4,)),
    ],
)
def test_any_way_of_writing_aus_is_read(text, aus):
    """These gave nothing, and counted as decided."""
    assert parse_aus(text, FABA, "strict").value == aus


@pytest.mark.parametrize(
    ("text", "aus"),
    [
        ("AU12 may be present.", (12,)),
        ("AU12 is probably active.", (12,)),
        ("AU12 is slightly active.", (12,)),
        ("AU12 is barely visible.", (12,)),
        ("There is a trace of AU12.", (12,)),
        ("AU12 is likely absent.", ()),
        ("AU12 is hardly visible.", ()),
        ("There is no clear sign of AU12.", ()),
    ],
)
def test_hedges_count_the_way_they_lean(text, aus):
    assert parse_aus(text, FABA, "strict").value == aus


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A man in front of a window.", "no action unit is named"),
        ("AU4 is present. AU4 is not present.", "affirmed and denied"),
        ("It is unclear whether AU4 is active.", "no action unit is named"),
    ],
)
def test_aus_that_are_not_said_or_contradicted_are_undecided(text, reason):
    read = parse_aus(text, FABA, "strict")
    assert (read.value, read.status) == (None, "undecided") and reason in read.reason


def test_an_answer_that_denies_all_is_decided():
    for text in ("No action units are active.", "None.", "AU4 is absent."):
        assert parse_aus(text, FABA, "strict")[:2] == ((), "decided")


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("She is not really smiling.", None),
        ("He is not visibly angry.", None),
        ("The image is bright, and the content of the image is a person who is angry.", "Anger"),
        ("Although she smiles, she looks sad.", "Sadness"),
        ("She smiles, but she looks sad.", "Sadness"),
        ("The face shows no emotion.", "Neutral"),
        ("laughing", "Happiness"),
        ("She looks upset.", "Sadness"),
        ("shocked", "Surprise"),
        ("nervous", "Fear"),
        ("horrified", "Fear"),
        ("He is frowning.", "Anger"),
    ],
)
def test_emotions_are_read_as_a_person_reads_them(text, emotion):
    assert parse_emotion(text, "strict").value == emotion


def test_the_seven_words_of_raf_db_are_read_by_its_default_rules():
    """The seven adjectives, all right, gave S_re 57.1: the rules `paper` know no "sad", "angry" and "fearful"."""
    words = "Happy Sad Surprised Angry Neutral Disgusted Fearful".split()
    read = [parse_emotion(word, DATASETS["raf-db"].rules).value for word in words]
    assert read == ["Happiness", "Sadness", "Surprise", "Anger", "Neutral", "Disgust", "Fear"]


@pytest.mark.parametrize(
    ("text", "task", "rows"),
    [
        (
            "AU12 does not appear to be active because AU15 is.",
            "au",
            [("AU12 does not appear to be active", "AU12", "denied"), ("AU15 is.", "AU15", "affirmed")],
        ),
        (
            "Although she smiles, she looks sad.",
            "emotion",
            [("she smiles", "Happiness", "affirmed"), ("she looks sad.", "Sadness", "affirmed")],
        ),
    ],
)
def test_every_decision_is_explained(text, task, rows):
    assert [(row["clause"], row["claim"], row["polarity"]) for row in explained(text, task)] == rows


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("Happy", "Happiness"),
        ("The man is sad.", "Sadness"),
        ("The nose is wrinkled in disgust. She is annoyed, disgusted.", "Disgust"),
        ("Not happy but sad.", "Sadness"),
        ("There is no sign of joy. Fear.", "Fear"),
        ("The person does not look happy or relaxed, rather angry.", "Anger"),
        ("neither fear nor anger, a calm face", "Neutral"),
        ("The smile does not reach the eyes.", "Happiness"),
    ],
)
def test_emotions_that_are_affirmed_are_recognised(text, emotion):
    assert parse_emotion(text, "strict").value == emotion


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("A face.", "no emotion"),
        ("She is not happy.", "no emotion"),
        ("Surprise and fear.", "Surprise and Fear are named equally often"),
    ],
)
def test_ties_and_silence_are_undecided_not_happy(text, reason):
    read = parse_emotion(text, "strict")
    assert (read.value, read.status) == (None, "undecided")
    assert reason in read.reason


def test_an_empty_au_answer_is_undecided():
    assert parse_aus(" ", FABA, "strict")[:2] == (None, "undecided")


@pytest.mark.trust
@pytest.mark.parametrize(
    "text", ["no ", "AU4 not ", " ", "AU", "AU4, ", "not aaaa", "action ", "(", "AU1 is not (", "0"]
)
def test_a_megabyte_of_anything_is_read_in_seconds(text):
    start = time.process_time()
    for rules in ("emola", "paper", "strict"):
        parse_emotion(text * (1_000_000 // len(text)), rules)
        parse_aus(text * (1_000_000 // len(text)), FABA, rules)
    assert time.process_time() - start < 20
