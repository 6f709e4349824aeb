"""The words, names and numbers that answers are read with: seven emotions, the action units, and what negates them."""

from collections.abc import Mapping

# FABA-Bench's emotions; their order gives integer labels their meaning and breaks ties in the released code.
# https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L47-L55
EMOTIONS = ("Happiness", "Sadness", "Surprise", "Anger", "Neutral", "Disgust", "Fear")

# Figure 5 of arXiv 2404.05052 as the released code has it; `discomfort`, `displeased`, `curiosity` stand in two lists.
# https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L37-L45
_RELEASED_SYNONYMS = {
    "Happiness": "happiness happy smiling smile pleasant content contentment relaxed relaxation cheerful joy amusement "
    "amused positivity positive lightheartedness joyful friendly warmth bright",
    "Sadness": "sadness crying distress concern discomfort anguish somber",
    "Surprise": "surprise surprised startled puzzled astonishment disbelief wonder curiosity curious confusion "
    "bewilderment skepticism excitement uncertainty",
    "Anger": "anger mad irate outraged agitation irritated enraged annoyed incensed serious frustration displeased "
    "stern",
    "Neutral": "neutral neutrality calm contemplative concerned thoughtful focused solemn mild",
    "Disgust": "disgust distaste disgusted discomfort displeasure displeased disapproval disdain contempt",
    "Fear": "fear shock anxiety apprehension tension panic alertness focus worry alarm curiosity contemplation",
}

# The plainest names of an emotion that the released lists lack: "The man is sad." holds none of their words.
_MISSING_SYNONYMS = {
    "Happiness": "smiles smiled happily joyous delighted delight pleased glad",
    "Sadness": "sad sadly unhappy sorrow sorrowful grief melancholy tearful distressed",
    "Surprise": "surprising astonished amazed amazement",
    "Anger": "angry angrily furious fury rage frustrated irritation",
    "Neutral": "emotionless expressionless impassive",
    "Disgust": "revulsion repulsed disapproving disdainful contemptuous",
    "Fear": "afraid scared fearful frightened terrified terror anxious worried alarmed panicked",
}


def _emotions_of_words(*lists: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Turn the lists round: each word with the emotions it stands for, in the order of EMOTIONS."""
    found: dict[str, tuple[str, ...]] = {}
    for emotion in EMOTIONS:
        for word in " ".join(words[emotion] for words in lists).split():
            found[word] = (*found.get(word, ()), emotion)
    return found


RELEASED_WORDS = _emotions_of_words(_RELEASED_SYNONYMS)
STRICT_WORDS = _emotions_of_words(_RELEASED_SYNONYMS, _MISSING_SYNONYMS)

# The released code seeks these as substrings of a lower-cased sentence: "no" is also in "nose", "another", "annoyed".
# https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L57-L63
RELEASED_NEGATIONS = ("not", "no", "isn't ", "nothing", "cannot", "won't", "shouldn't", "neither", "nor")

# FACS names of the AUs that one of the data sets annotates (supplement of arXiv 2404.05052, Table 1; there AU16 is
# missing, which the released code reads; 18: FACS).
AU_NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    18: "lip pucker",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    43: "eyes closed",
}

# All codes of the Facial Action Coding System (Ekman, Friesen, Hager 2002): a label outside them is a slip of the pen.
FACS_CODES = frozenset([*range(1, 3), *range(4, 40), *range(41, 47), *range(50, 86), *range(91, 93), *range(97, 99)])
