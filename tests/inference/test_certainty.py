"""Probabilities belong to the answer: its own words are weighed in their place, or sampled answers are counted."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from llava_faba.inference.certainty import at_temperature, count_samples, read_temperature, weigh_words
from llava_faba.inference.describer import Describer
from llava_faba.inference.likelihood import log_likelihoods
from llava_faba.inference.photos import disagrees
from llava_faba.vocabulary import EMOTIONS, FABA_AUS
from tests.tiny import P, prior_model

QUESTION = "What emotions are conveyed by this face?"


@pytest.fixture(scope="module")
def read(tiny_llava):
    """A describer, and two faces read into it."""
    from llava_faba.model.checkpoint import load

    tokenizer, _, processor, _ = load(tiny_llava)
    describer = Describer(tokenizer, prior_model(tiny_llava), processor)
    random = np.random.default_rng(3)
    pictures = [Image.fromarray(random.integers(0, 255, (90, 90, 3), dtype=np.uint8)) for _ in range(2)]
    faces = describer.prepare_faces(pictures, [(random.normal(0, 3, P).astype(np.float32), True) for _ in pictures])
    return describer, faces, describer.prefill(faces)


def test_an_emotion_is_weighed_where_the_answer_names_it(read):
    describer, _, prefix = read
    answer = "The face shows happiness; the corners are raised."
    shares = weigh_words(describer, prefix, "emotion", QUESTION, [answer, "Happiness"])
    nouns = ["happiness", "sadness", "surprise", "anger", "neutrality", "disgust", "fear"]
    texts = [f"The face shows {noun}; the" for noun in nouns]
    expected = log_likelihoods(describer, prefix, [(QUESTION, text) for text in texts]).softmax(-1)[0]
    assert list(shares[0]) == list(EMOTIONS)
    assert list(shares[0].values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert sum(shares[1].values()) == pytest.approx(1)


def test_a_word_that_is_no_plain_name_is_weighed_too_and_nothing_gives_nothing(read):
    describer, _, prefix = read
    joy, nothing = weigh_words(describer, prefix, "emotion", QUESTION, ["A joyful face.", "A face with a nose."])
    assert sum(joy.values()) == pytest.approx(1) and nothing is None


def test_aus_are_weighed_where_the_answer_names_them(read):
    describer, _, prefix = read
    shares, none = weigh_words(describer, prefix, "au", "Which AUs?", ["AU6 and AU12 are present.", "Nothing moves."])
    assert none is None and list(shares) == [f"AU{au}" for au in FABA_AUS]
    places = [[f"AU{au} and" for au in FABA_AUS], [f"AU6 and AU{au} are" for au in FABA_AUS]]
    absent = torch.ones(len(FABA_AUS), dtype=torch.float64)
    for texts in places:
        absent *= 1 - log_likelihoods(describer, prefix, [("Which AUs?", text) for text in texts])[0].softmax(-1)
    assert list(shares.values()) == pytest.approx((1 - absent).tolist(), abs=1e-6)


def test_samples_are_counted_and_drawn_the_same_for_a_face_whatever_its_batch(read):
    describer, faces, prefix = read
    both = count_samples(describer, prefix, faces, "au", "Which AUs?", 3, 8)
    alone = count_samples(describer, describer.prefill(faces[1:]), faces[1:], "au", "Which AUs?", 3, 8)
    assert both[1] == alone[0]
    assert all(share in (0, 1 / 3, 2 / 3, 1) for one in both if one for share in one.values())


def test_a_temperature_flattens_and_is_read_from_beside_the_config(tmp_path):
    shares = {"Happiness": 0.8, "Fear": 0.2}
    assert at_temperature(shares, "emotion", None) == shares
    warm = at_temperature(shares, "emotion", 2.0)
    assert warm["Happiness"] == pytest.approx(2 / 3, abs=1e-6) and sum(warm.values()) == pytest.approx(1)
    assert read_temperature(tmp_path, "emotion", "words") is None
    (tmp_path / "calibration.json").write_text(json.dumps({"emotion": {"temperature": 1.5, "method": "words"}}))
    assert read_temperature(tmp_path, "emotion", "words") == 1.5
    assert read_temperature(tmp_path, "emotion", "samples") is None


def test_a_disagreement_is_named():
    emotion = {"task": "emotion", "recognised": "Happiness", "probabilities": {"Happiness": 0.4, "Disgust": 0.6}}
    assert disagrees(emotion) == ["Disgust"]
    au = {"task": "au", "recognised": [12], "probabilities": {"AU12": 0.1, "AU6": 0.9, "AU4": 0.2}}
    assert disagrees(au) == ["AU12", "AU6"]
    assert disagrees({**emotion, "probabilities": None}) == []
