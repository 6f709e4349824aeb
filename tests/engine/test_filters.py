"""Which answers are left out and which are kept: texts as models write them, the paper's own among the kept."""

import pytest

from llava_faba.engine.filters import RULES, unusable

LEFT_OUT = [
    ("I'm sorry, but I can't help with that.", "emotion", "refused"),
    ("I\N{RIGHT SINGLE QUOTATION MARK}m unable to analyze the emotions of real people.", "emotion", "refused"),
    ("As an AI, I cannot identify action units of a person in an image.", "au", "refused"),
    ("The image is too blurry, so it is difficult to determine any facial expression.", "emotion", "low-resolution"),
    ("Because of the low resolution, I cannot make out action units.", "au", "low-resolution"),
    ("The mouth is obscured by a hand and cannot be read, nor can the rest.", "au", "covered"),
    ("There is no face visible in this image.", "emotion", "no-face-seen"),
    ("", "emotion", "empty"),
    ("{'a': [1, 2, 3, 4, 5, 6, 7, 8, 9]}", "emotion", "no-text"),
    ("happy happy happy happy happy happy happy happy happy happy", "emotion", "no-text"),
    ("A man with a beard stands in front of a wall.", "emotion", "no-label"),
    ("The person looks happy.</s>", "emotion", "marks"),
]  # fmt: skip
KEPT = [
    # The paper's own answers (supplement, Figure 4) doubt at their end, and are kept.
    (
        "The image shows a facial expression. **AU4 (Brow Lowerer):** there is a slight downward pull of "
        "the brows. The overall expression seems to convey seriousness, but without additional context, it's difficult to "
        "determine the exact emotional state or intent behind the expression.",
        "au",
    ),
    ("Although the image is slightly blurry, the raised corners of the mouth suggest happiness.", "emotion"),
    ("One eye is covered by hair. I cannot see both, but the person seems sad.", "emotion"),
    ("No action units are active: the face is at rest.", "au"),
    ("The face is neutral.", "emotion"),
]


@pytest.mark.parametrize("text, task, rule", LEFT_OUT)
def test_an_unusable_answer_is_left_out_by_name(text, task, rule):
    assert unusable(text, task) == rule and rule in RULES


@pytest.mark.parametrize("text, task", KEPT)
def test_a_description_with_doubts_is_kept(text, task):
    assert unusable(text, task) is None


def test_what_the_endpoint_cut_or_blocked_is_left_out():
    assert unusable("The face shows happi", "emotion", "length") == "cut-short"
    assert unusable("The face shows happiness.", "emotion", "content_filter") == "blocked"
