"""Answer -> whether it can be learned from: named rules for refusals and unusable answers, tried in order.

FABA-Instruct's authors left out faces that could not be annotated for low resolution and occlusion (arXiv 2404.05052,
section 3.1). The patterns are ours. A doubt at the end of a description ("it is difficult to determine the exact
emotional state") is part of it and no refusal.
"""

import re
from collections.abc import Callable

from llava_faba.claims.emotions import names_emotion
from llava_faba.claims.text import normalise
from llava_faba.engine.readings import read_text
from llava_faba.evidence.words import split_sentences

_CANNOT = r"(?:can(?:no|')?t|can not|could ?n[o']t|unable|not able|won't|will not|not possible|impossible|insufficient)"
_REFUSAL = re.compile(
    rf"\b(?:i|we)(?:'m| am| are)? (?:\w+ ){{0,2}}?{_CANNOT}\b.{{0,40}}\b(?:help|assist|identif|analy|comply|provide|"
    r"describ|determin|recogni|answer|discuss|do (?:this|that)|process|fulfil|comment|interpret|see|view)"
    rf"|\b(?:i'm|i am) (?:very |really )?sorry\b.{{0,40}}\b{_CANNOT}\b|\bagainst (?:my|the|our) (?:policy|guidelines)"
)
_RESOLUTION = re.compile(
    r"\b(?:low(?:er)?[- ](?:\w+ )?(?:resolution|quality)|blurr\w*|pixelat\w*|too (?:small|dark)|grainy)"
)
_COVERED = re.compile(r"\b(?:cover(?:ed|s|ing)\b|obscur\w*|occlu\w*|hidden|out of (?:the )?frame)")
_IMPOSSIBLE = re.compile(rf"\b(?:{_CANNOT}|difficult|hard) ")
_NO_FACE = re.compile(
    r"\b(?:no|not|n't|without)\b.{0,20}\b(?:face|person|image|picture|photo)\b.{0,30}\b(?:visible|present|provided|"
    r"attached|shown|here|in th(?:e|is) (?:image|picture))|\bno (?:human )?face\b"
)
_MARKS = re.compile(r"</?s>|<image>|<\|.{0,20}\|>|\N{REPLACEMENT CHARACTER}")
_WORD = re.compile(r"[^\W\d_]{2,}")
_REPEATED = re.compile(r"\b(\w+(?:\W+\w+){0,4})(?:\W+\1\b){5,}", re.IGNORECASE)

Rule = Callable[[str, str, str], bool]  # text, task, the endpoint's reason to stop -> whether it is unusable


def _no_label(text: str, task: str) -> bool:
    """Whether nothing is said of the task: no emotion word, or no AU and no movement, affirmed or denied."""
    return not names_emotion(normalise(text)) if task == "emotion" else read_text(text, task) is None


def _nothing_read(text: str, task: str) -> bool:
    return not read_text(text, task)


def _said_of_picture(pattern: re.Pattern[str]) -> Rule:
    def unusable(text: str, task: str, finish: str) -> bool:
        sentences = split_sentences(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
        told = any(pattern.search(sentence) and _IMPOSSIBLE.search(sentence) for sentence in sentences)
        return told and _nothing_read(text, task)

    return unusable


def _refused(text: str, task: str, finish: str) -> bool:
    plain = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    first, *rest = split_sentences(plain) or [""]
    return bool(_REFUSAL.search(first)) or (_nothing_read(text, task) and any(map(_REFUSAL.search, rest)))


def _no_text(text: str, task: str, finish: str) -> bool:
    letters = sum(len(word) for word in _WORD.findall(text))
    return len(_WORD.findall(text)) < 2 or letters < 0.5 * len(text) or bool(_REPEATED.search(text))


RULES: dict[str, tuple[str, Rule]] = {  # name -> what it means, and the rule; the first that applies is named
    "blocked": ("the endpoint's content filter stopped it", lambda text, task, finish: finish == "content_filter"),
    "empty": ("the answer is empty", lambda text, task, finish: not text.strip()),
    "cut-short": ("the answer ends at --max-tokens", lambda text, task, finish: finish == "length"),
    "marks": (
        "the answer holds marks that end a sequence, or broken characters",
        lambda t, k, f: bool(_MARKS.search(t)),
    ),
    "low-resolution": ("the model finds the picture too poor", _said_of_picture(_RESOLUTION)),
    "covered": ("the model finds the face covered", _said_of_picture(_COVERED)),
    "no-face-seen": (
        "the model sees no face",
        lambda t, k, f: bool(_NO_FACE.search(t.lower())) and _nothing_read(t, k),
    ),
    "refused": ('the model does not answer ("I can\'t help with that")', _refused),
    "no-text": ("the answer is no sentence: symbols, code, or words that repeat", _no_text),
    "no-label": ("the answer says nothing of the task", lambda text, task, finish: _no_label(text, task)),
}


def unusable(text: str, task: str, finish: str = "stop") -> str | None:
    """Return the name of the first rule of RULES that makes an answer unusable; None: it is kept.

    >>> unusable("I'm sorry, but I can't help with identifying people.", "emotion")
    'refused'
    >>> unusable("The smile suggests happiness.", "emotion") is None
    True
    """
    return next((name for name, (_, rule) in RULES.items() if rule(text, task, finish)), None)
