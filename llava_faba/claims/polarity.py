"""Clauses with mentions in them -> whether each mention is affirmed, denied or left open.

A negation reaches forward ("no sign of AU4", "does not look happy", "neither AU1 nor AU2") or back to what it is said
of ("AU12 is not visible", "AU4 - absent"), over a list, and never out of its clause (clauses.py). The idea of scopes
is NegEx's (Chapman et al. 2001, doi 10.1006/jbin.2001.1029).
"""

import re
from collections.abc import Sequence

from llava_faba.claims.clauses import Clause
from llava_faba.claims.idioms import read_idioms
from llava_faba.claims.negations import (
    ALL_OF,
    BACK,
    LETTERS,
    NONE_OF,
    PRESENCE,
    SIGNS,
    TRIGGERS,
)
from llava_faba.claims.reach import Mention, Status
from llava_faba.claims.scope import Scope
from llava_faba.claims.values import is_unsure, value_behind

_TICKS = {"\u2713": True, "\u2717": False}
_UNSURE = frozenset("unsure unclear uncertain unknown undecided not sure clear".split())
_CODED_NOT = re.compile(
    r"\bnot (?:\w+ )?(?:code|score|count|call|include|list|see|observe|detect|find) (?:it|them|that)\b"
)
_STEPS = frozenset("then ultimately finally eventually later is was were are".split())
_FOUND, _OPENERS = PRESENCE | BACK, ALL_OF | NONE_OF
_REFERRING = _FOUND | {"not"}
_VERBS = frozenset("is are was were does do did can has have".split())
_EXCLUDED = BACK | {"ruled", "excluded", "lacking"}
_JOINTS = frozenset(("/", "+", "&", "and"))
_LIKEWISE = frozenset((one, verb) for one in ("as", "so") for verb in ("is", "are", "does", "do", "was", "were"))


def may_deny(text: str) -> bool:
    """Whether a normalised sentence holds any word that could make a mention other than affirmed."""
    return not TRIGGERS.isdisjoint(LETTERS.findall(text)) or any(sign in text for sign in SIGNS)


def statuses(words: Sequence[str], clauses: Sequence[Clause], mentions: Sequence[Mention]) -> list[Status]:
    """Return for each mention, in their order, whether it is affirmed (True), denied (False) or left open (None)."""
    found: list[Status] = [True] * len(mentions)
    owner = {word: number for number, clause in enumerate(clauses) for word in clause.words}
    inside: list[list[int]] = [[] for _ in clauses]
    for number, mention in enumerate(mentions):
        if mention.at in owner:
            inside[owner[mention.at]].append(number)
    for number, clause in enumerate(clauses):
        if inside[number]:
            Scope(words, clause, mentions, inside[number], found).read()
            if clause.opener in ("if", "unless"):
                _set(found, inside[number], None)
            following = clauses[number + 1].words[:1] if number + 1 < len(clauses) else []
            if words[clause.words[0]] in ("among", "of") and following and words[following[0]] == "only":
                _set(found, inside[number], None)  # "among AU1, AU2 and AU4, only AU4 is active"
            before = clauses[number - 1] if number else None
            if clause.role == "cause" and before and before.words and words[before.words[-1]] == "not":
                _set(found, inside[number], False)  # "because of AU6, not because of AU7"
            if clause.marked and before and not inside[number - 1]:
                said = {words[at] for at in before.words} - {",", '"', "."}
                if _is_denying(words, before) or (
                    said == {"no"} and mentions[inside[number][0]].first == clause.words[0]
                ):
                    _set(found, inside[number], False)
                elif said and said <= _UNSURE:
                    _set(found, inside[number], None)
        else:
            _refer_back(words, clauses, number, inside, found)
        if number and inside[number] and _is_opposite(words, clauses, number, inside):
            _set(found, inside[number], True)  # "AU6 is missing, AU12 isn't"
        if number and clauses[number - 1].opener in ("if", "unless") and "would" in (words[at] for at in clause.words):
            _set(found, inside[number], None)  # "if she were smiling, the cheeks would be raised"
    read_idioms(words, mentions, found)
    leads = words[0] in _TICKS
    given: set[int] = set()
    for number, mention in enumerate(mentions):
        if number and mention.first > 1 and tuple(words[mention.first - 2 : mention.first]) in _LIKEWISE:
            found[number] = found[number - 1]
        ahead = min(
            (other.first for other in mentions if other.first > mention.last and other.bare), default=len(words)
        )
        if list(words[max(0, mention.first - 2) : mention.first]) == ["[", "]"]:
            found[number] = False  # a box that is not ticked
        if leads:  # "✗ AU4"
            found[number] = next((_TICKS[w] for w in reversed(words[: mention.first]) if w in _TICKS), True)
        elif is_unsure(words, mention.last):
            found[number] = None
        elif (value := value_behind(words, mention.last, ahead)) is not None:
            found[number] = value
            given.add(number)
    joints = _JOINTS
    for number in reversed(range(len(mentions) - 1)):  # "AU9/AU10: absent"
        between = words[mentions[number].last + 1 : mentions[number + 1].first]
        behind = words[mentions[number + 1].last + 1 : mentions[number + 1].last + 2]
        if behind and behind[0] in (":", "=", "\u2013"):
            joints = _JOINTS | {","}  # "AU4, AU7 and AU9: absent"
        elif not between or not joints.issuperset(between):
            joints = _JOINTS
        if number + 1 in given and number not in given and between and joints.issuperset(between):
            found[number] = found[number + 1]
            given.add(number)
    return found


def _is_opposite(words: Sequence[str], clauses: Sequence[Clause], number: int, inside: Sequence[list[int]]) -> bool:
    """Whether a clause says by a denied verb alone that it is otherwise than in the one before, which denies."""
    said = [words[at] for at in clauses[number].words if words[at] not in (".", ",", "and", "but")]
    before = [words[at] for at in clauses[number - 1].words]
    if said[-1:] != ["not"] or not inside[number - 1] or said[-2:-1] == [] or said[-2] not in _VERBS:
        return False
    return "not" not in before and not _EXCLUDED.isdisjoint(before)


def _set(found: list[Status], numbers: Sequence[int], status: Status) -> None:
    for one in numbers:
        found[one] = status


def _is_denying(words: Sequence[str], head: Clause) -> bool:
    """Whether a heading without mentions denies what follows it: "Not present: AU4", "Absent: AU4, AU9", "No: AU4"."""
    said = [words[at] for at in head.words if words[at] not in (",", '"', ".")]
    if not said or len(said) > 9:
        return False
    negated = False
    for place, word in enumerate(said):
        if word in ("incorrect", "wrong"):
            negated = not negated
        elif word in ("not", "no", "never") and PRESENCE & set(said[place + 1 :]):
            negated = not negated
        elif word in BACK or word in ("without", "lacking", "negative", "off"):
            negated = not negated
    return negated


def _refer_back(
    words: Sequence[str], clauses: Sequence[Clause], number: int, inside: list[list[int]], found: list[Status]
) -> None:
    """A clause that speaks of the mentions before it: "all of which are present", "here neither is visible"."""
    said = [words[at] for at in clauses[number].words]
    if not number or _REFERRING.isdisjoint(said):
        return
    opener = next((word for word in said[:3] if word in _OPENERS), "")
    if ("not" in said and _CODED_NOT.search(" ".join(said))) or (
        clauses[number].role == "answer" and not BACK.isdisjoint([one for one in said if one not in _STEPS][:1])
    ):
        _set(found, next((inside[one] for one in range(number - 1, -1, -1) if inside[one]), []), False)
        return
    if "not" not in said[-2:] and _FOUND.isdisjoint(said):
        return
    if not {"others", "rest"}.isdisjoint(said):
        return  # "AU4 is active, all others are not"
    if not opener and words[clauses[number].words[0] - 1] not in ("which", "who", "whose", "where"):
        return
    back = next((inside[one] for one in range(number - 1, -1, -1) if inside[one]), [])
    negated = opener in NONE_OF or "not" in said or bool(BACK.intersection(said))
    for one in back:
        found[one] = not negated
