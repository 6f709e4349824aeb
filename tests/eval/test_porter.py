"""The stemmer is NLTK's on made-up words with every suffix, and on English ones."""

import random

from nltk.stem.porter import PorterStemmer

from llava_faba.eval.porter import stem

SUFFIXES = (
    "ational tional enci anci izer bli alli entli eli ousli ization ation ator alism iveness fulness ousness aliti "
    "iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement ment ent ion "
    "ou ism ate iti ous ive ize ed ing eed ied ies s sses ss y e ll"
).split()


def test_it_is_nltks_on_words_made_of_suffixes():
    rng, theirs = random.Random(0), PorterStemmer()
    for _ in range(20_000):
        start = "".join(rng.choice("aeioubcdlstyzwxr") for _ in range(rng.randint(0, 5)))
        word = start + "".join(rng.choice(SUFFIXES) for _ in range(rng.randint(0, 2)))
        assert stem(word) == theirs.stem(word), word


def test_it_is_nltks_on_irregular_and_common_words():
    theirs = PorterStemmer()
    words = (
        "skies dying lying tying news innings outings cannings howe proceed exceed succeed flies dies die sky by oed "
    )
    words += "happiness smiling raised brows tightened generously relational hopping falling controlled agreed 12 au4"
    for word in words.split():
        assert stem(word) == theirs.stem(word), word
