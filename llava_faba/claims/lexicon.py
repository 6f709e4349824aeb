"""The words for emotions: nouns, adjectives and verbs, with how much each says.

The words are those of the paper's Figure 5 as the released code has them, where a person reads them so, and what texts
about faces use besides: every data set's own labels, their adjectives and adverbs. A `cue` (a smile, tears) says less
than a name; a `shade` (curious, stern) counts where no name stands against it.
"""

from typing import NamedTuple

from llava_faba.vocabulary import EMOTIONS

NAME, CUE, SHADE = 2.0, 1.0, 0.5

_NAMES = {
    "Happiness": "happiness happy happily happier joy joyful joyous joyfully joyously cheerful cheerfully cheer "
    "delight "
    "delighted delightful glad gladness pleased amusement amused bliss blissful elated elation ecstatic overjoyed "
    "jubilant contentment contented merry gleeful glee enjoyment enjoying enjoys happiest lighthearted "
    "lightheartedness",
    "Sadness": "sadness sad sadly saddened sorrow sorrowful unhappy unhappiness grief grieving mournful melancholy "
    "melancholic anguish somber sombre despair depressed dejected dejection heartbroken heartbreak miserable misery "
    "gloomy downcast disappointed disappointment despondent forlorn weeping weeps sobbing saddest unhappily hurt",
    "Surprise": "surprise surprised surprising astonishment astonished amazement amazed startled startle startles "
    "disbelief stunned shock shocked bewilderment bewildered astounded flabbergasted awe",
    "Anger": "anger angry angrily angered angriest mad irate outrage outraged furious furiously fury rage raging "
    "enraged irritation irritated annoyance annoyed incensed frustration frustrated agitation agitated hostile "
    "hostility resentment resentful livid wrath aggressive aggression aggressively exasperated exasperation indignant",
    "Neutral": "neutral neutrality neutrally emotionless expressionless impassive unemotional unexpressive deadpan",
    "Disgust": "disgust disgusted disgusting disgustedly distaste revulsion repulsed repulsion revolted repelled "
    "contempt "
    "contemptuous disdain disdainful loathing scorn scornful aversion nauseated",
    "Fear": "fear fearful fearfully fears afraid scared scary frightened fright frightening terrified terror anxiety "
    "anxious anxiously apprehension apprehensive panic panicked panicking horror horrified nervous nervously "
    "nervousness worried worry worries worrying alarm alarmed dread scare petrified uneasy unease uneasiness",
}
_CUES = {
    "Happiness": "smile smiles smiled smiling smirk grin grins grinning grinned laugh laughs laughing laughter beaming "
    "beams chuckling giggling",
    "Sadness": "crying cry cries cried tears tear tearful tearfully sobs upset down pout pouting distress distressed",
    "Anger": "frown frowns frowning frowned scowl scowling scowls glare glares glaring",
    "Disgust": "sneer sneering sneers grimace grimacing repugnance",
    "Surprise": "gasp gasping",
    "Fear": "trembling cowering",
    "Neutral": "blank",
}
_SHADES = {
    "Happiness": "content satisfied satisfaction pleasant pleasure positive positivity friendly friendliness warmth "
    "relaxed relaxation excited excitement playful proud hopeful",
    "Sadness": "concern discomfort pain troubled weary lonely regret",
    "Surprise": "wonder curiosity curious confusion confused puzzled puzzlement skepticism skeptical scepticism "
    "sceptical uncertainty intrigued perplexed",
    "Anger": "stern displeased intensity determined defiant",
    "Neutral": "calm calmness calmly contemplative thoughtful focused focus solemn serious seriousness pensive "
    "composed "
    "serene serenity concentration attentive indifferent indifference stoic bored contemplation unreadable",
    "Disgust": "displeasure disapproval disapproving displeased",
    "Fear": "tension tense alertness alert concerned stress stressed",
}
GENERIC = frozenset(("emotion", "emotions", "feeling", "feelings", "emotional", "affect"))


class Word(NamedTuple):
    """What one word says of an emotion."""

    emotions: tuple[str, ...]
    weight: float


def _words() -> dict[str, Word]:
    found: dict[str, Word] = {}
    for table, weight in ((_NAMES, NAME), (_CUES, CUE), (_SHADES, SHADE)):
        for emotion in EMOTIONS:
            for word in table.get(emotion, "").split():
                known = found.get(word)
                found[word] = Word((*known.emotions, emotion), known.weight) if known else Word((emotion,), weight)
    return found


EMOTION_WORDS = _words()
