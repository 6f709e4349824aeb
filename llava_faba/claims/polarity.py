"""Clauses with mentions in them -> whether each mention is affirmed, denied or left open.

A negation reaches forward ("no sign of AU4", "does not look happy", "neither AU1 nor AU2") or back to what it is said
of ("AU12 is not visible", "AU4 - absent"), over a list, and never out of its clause (clauses.py). The idea of scopes
is NegEx's (Chapman et al. 2001, doi 10.1006/jbin.2001.1029).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from llava_faba.claims.clauses import VERBS, Clause
from llava_faba.claims.values import value_behind

Status = bool | None

_TRIGGERS = frozenset(
    "no not none nor neither never nothing nobody cannot without hardly scarcely barely lack lacks lacked lacking absent "
    "absence inactive missing devoid free instead rather fail fails failed failing unable refrain refrains refraining far "
    "anything unlike except excepting unlikely doubtful improbable rule rules ruled ruling excluded excluding excludes "
    "opposed unclear uncertain unsure undetected unengaged unseen invisible unnoticeable nonexistent dormant few little "
    "if would whether sure hard difficult impossible other besides apart aside beyond typically usually normally "
    "commonly often rest relaxed resting unmoved neutral lost loses more less than hide hides negative false null nil "
    "replaces dismissed deactivated unactivated non out".split()
)
_SIGNS = ("?", "\u2717", "n't", "n/a", "%", " 0", "=0", ":0", "(0")
_LETTERS = re.compile(r"[a-z]+")
_FORWARD = frozenset(
    "no without neither nor none lack lacks lacked lacking absence devoid never nothing unable instead rather fails "
    "failed fail failing refrains refrain refraining unlike excludes excluding opposed far anything free lost loses "
    "replaces hides".split()
)
_NEEDS = {
    "instead": ("of",), "rather": ("than",), "opposed": ("to",), "far": ("from",), "anything": ("but",),
    "free": ("of", "from"), "absence": ("of",), "devoid": ("of",), "none": ("of",),
}  # fmt: skip
_NOMINAL = frozenset("no without neither nor none lack absence devoid nothing instead rather unlike far free".split())
_BACK = frozenset(
    "absent inactive missing unlikely doubtful improbable excluded nonexistent dormant undetected unengaged unseen "
    "invisible unnoticeable deactivated unactivated untriggered".split()
)
_COPULAS = frozenset("is are was were remains remain stays stay appears seems at in".split())
_AT_REST = frozenset(("rest", "relaxed", "resting", "neutral", "unmoved"))
PRESENCE = frozenset(
    "present visible obvious observed observable active activated evident apparent seen there detected detectable "
    "engaged noticeable noticed shown displayed exhibited involved identified discernible indicated expressed "
    "recognised recognized found used recruited contributing contribute contributes moving move moves moved perceptible "
    "exist exists existing occur occurs occurring part play plays case appear appearing triggered engage engages "
    "suggested perceived confirmed notable here included clear scored coded counted rated marked labelled labeled".split()
)
_BETWEEN = frozenset(
    "be been being to appear appears seem seems look looks actually really at all any is are was were much that as "
    "also even have particularly yet currently quite easily readily so".split()
)
_DEGREES = frozenset(
    "very strongly fully particularly especially highly overly too so intensely heavily completely entirely extremely "
    "markedly as quite".split()
)
_TRAILING = frozenset(
    "at all here either anymore really though so in this image face photo picture the any longer now yet and".split()
)
_MOVEMENT = frozenset(
    "activation activity sign signs evidence movement movements motion indication contraction action presence change "
    "involvement trace".split()
)
_HIDDEN = frozenset("hide hides hiding conceal suppress overlook ignore deny miss help contain mask dispute".split())
_LIST_WORDS = frozenset(
    ", / & + and or nor of any even a an the as well such like including especially also strong clear visible obvious "
    "discernible other signs sign her his in both either s his".split()
)
_OPEN = re.compile(
    r"\b(?:unclear|uncertain|unsure|not (?:\w+ly )?(?:clear|certain|sure|possible|obvious|easy) (?:whether|if|about|which|what|to)|"
    r"not (?:sure|certain)|(?:hard|difficult|impossible) to (?:tell|say|determine|judge|see|know|decide|identify|be)|"
    r"(?:can|could) not (?:be )?(?:tell|say|determined?|judged?|decided?|identify|identified|help|certain|know|assess)|"
    r"not able to (?:tell|say|determine|identify)|unable to (?:tell|say|determine|identify)|not allow|"
    r"would (?:typically|usually|normally|be expected|expect|require|need|include|involve|complete|show|be wrong)|"
    r"(?:typically|usually|normally|commonly|often) (?:involves?|shows?|includes?|requires?|accompanied)|might have been)\b"
)
_CANCELLED = frozenset("without lack lacking means devoid absence ruled excluded dismissed".split())
_ALL_OF = frozenset(("all", "both", "each", "they", "these", "those", "which", "it"))
_NONE_OF = frozenset(("neither", "none"))


class Mention(NamedTuple):
    """Numbers of the words of a mention; a negation has to reach `at`."""

    first: int
    at: int
    last: int
    bare: bool = True  # a name or a number, not a phrase with a verb


def may_deny(text: str) -> bool:
    """Whether a normalised sentence holds any word that could make a mention other than affirmed."""
    return not _TRIGGERS.isdisjoint(_LETTERS.findall(text)) or any(sign in text for sign in _SIGNS)


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
            reader = _Scope(words, clause, mentions, inside[number], found)
            reader.read()
            before = clauses[number - 1] if number else None
            if clause.marked and before and not inside[number - 1] and _is_denying(words, before, clause):
                for one in inside[number]:
                    found[one] = False
        else:
            _refer_back(words, clauses, number, inside, found)
    for number, mention in enumerate(mentions):
        ahead = min(
            (other.first for other in mentions if other.first > mention.last and other.bare), default=len(words)
        )
        if (value := value_behind(words, mention.last, ahead)) is not None:
            found[number] = value
    return found


def _is_denying(words: Sequence[str], head: Clause, _clause: Clause) -> bool:
    """Whether a heading without mentions denies what follows it: "Not present: AU4", "Absent: AU4, AU9", "No: AU4"."""
    said = [words[at] for at in head.words if words[at] not in (",", '"', ".")]
    if not said or len(said) > 9:
        return False
    negated = False
    for place, word in enumerate(said):
        if word in ("not", "no", "never") and PRESENCE & set(said[place + 1 :]):
            negated = not negated
        elif word in _BACK or word in ("without", "lacking", "negative"):
            negated = not negated
    return negated


def _refer_back(
    words: Sequence[str], clauses: Sequence[Clause], number: int, inside: list[list[int]], found: list[Status]
) -> None:
    """A clause that speaks of the mentions before it: "all of which are present", "here neither is visible"."""
    said = [words[at] for at in clauses[number].words]
    opener = next((word for word in said[:3] if word in _ALL_OF | _NONE_OF), "")
    if not number or not said or not PRESENCE.intersection(said):
        return
    if not opener and words[clauses[number].words[0] - 1] not in ("which", "who", "whose", "where"):
        return
    back = next((inside[one] for one in range(number - 1, -1, -1) if inside[one]), [])
    negated = opener in _NONE_OF or "not" in said or bool(_BACK.intersection(said))
    for one in back:
        found[one] = not negated


class _Scope:
    """The negations of one clause and what they reach."""

    def __init__(
        self,
        words: Sequence[str],
        clause: Clause,
        mentions: Sequence[Mention],
        inside: Sequence[int],
        found: list[Status],
    ):
        self.numbers = clause.words
        self.words = [words[at] for at in clause.words]
        self.bracketed = [at in clause.bracketed for at in clause.words]
        places = {at: place for place, at in enumerate(clause.words)}
        spans = [
            (places[mentions[one].at], places.get(mentions[one].first, 0), places.get(mentions[one].last, 0), one)
            for one in inside
        ]
        self.spans = sorted(spans)
        self.bare = [mentions[one].bare for *_, one in self.spans]
        self.found = found

    def read(self) -> None:
        exempt = self._leave_open() | self._exceptions()
        cancelled = False
        for place, word in enumerate(self.words):
            reached, value = self._reached(place, word)
            if cancelled and reached:
                value, cancelled = True, False
            if word in ("not", "no") and self._negates_a_negation(place):
                cancelled = True
            for one in reached:
                if one not in exempt:
                    self.found[one] = value

    def _set(self, reached: list[int], value: Status) -> None:
        for one in reached:
            self.found[one] = value

    def _leave_open(self) -> set[int]:
        opened: set[int] = set()
        text = " ".join(self.words)
        for match in _OPEN.finditer(text):
            place = text.count(" ", 0, match.end())
            value = False if match.group().endswith("be wrong") else None
            reached = [one for at, _, _, one in self.spans if at > place]
            self._set(reached, value)
            opened.update(reached)
        return opened

    def _exceptions(self) -> set[int]:
        """Mentions that an exception names: "no AU other than AU12", "all AUs except AU12"; set at once."""
        named: set[int] = set()
        for place, word in enumerate(self.words):
            pair = self.words[place : place + 2]
            if pair in (["other", "than"], ["apart", "from"], ["aside", "from"]) or word in (
                "except",
                "besides",
                "beyond",
            ):
                reached = self._forward(place, nominal=True)
                denied = {"no", "nothing", "none", "not", "nobody"} & set(self.words) or _BACK & set(self.words)
                self._set(reached, bool(denied) or word == "besides")
                named.update(reached)
        return named

    def _negates_a_negation(self, place: int) -> bool:
        ahead = self.words[place + 1 : place + 4]
        for word in ahead:
            if word in _BACK or word in _HIDDEN or word in _CANCELLED:
                return True
            if word in PRESENCE or (word in VERBS and word != "be"):
                return False
        return False

    def _reached(self, place: int, word: str) -> tuple[list[int], Status]:
        """Return the mentions that the word at a place denies (or affirms), and their status."""
        if word in ("not", "non"):
            return self._by_not(place)
        if word in ("hardly", "scarcely", "barely"):
            return self._by_hardly(place, word)
        ahead = self.words[place + 1 : place + 2]
        if word in _FORWARD:
            return self._by_forward(place, word, ahead), False
        if word in ("less", "more") or word == "than":
            return self._by_comparison(place, word, ahead)
        if word == "out" and self.words[place : place + 4] == ["out", "of", "the", "question"]:
            return self._back(place), False
        if word in _BACK or (word == "ruled" and ahead == ["out"]):
            reached = self._back(place) or self._forward(place, nominal=False)
            return reached, False
        if word in ("rules", "ruling", "rule") and ahead == ["out"]:
            return self._forward(place + 1, nominal=False), False
        if word == "little" and ahead and (ahead[0] in _MOVEMENT or ahead[0] in ("to", "or")):
            return self._forward(place, nominal=True) or self._back(place), False
        if word in _AT_REST and not any(self.words[k] in ("not", "no") for k in range(max(0, place - 3), place)):
            reached = [one for one in self._back(place) if self._is_bare(one)]
            behind = max((last for at, _, last, one in self.spans if one in reached), default=place)
            said = self.words[behind + 1 : place]
            return (reached if all(w in _COPULAS or w.endswith("ly") for w in said) else []), False
        return [], True

    def _is_bare(self, one: int) -> bool:
        return next(self.bare[k] for k, span in enumerate(self.spans) if span[3] == one)

    def _by_forward(self, place: int, word: str, ahead: list[str]) -> list[int]:
        needed = _NEEDS.get(word)
        if needed and (not ahead or ahead[0] not in needed):
            return self._back(place) if word == "absence" else []
        if word == "no" and ahead and ahead[0] in ("doubt", "question", "longer", "wonder", "denying", "less"):
            return self._forward(place, nominal=True) if ahead[0] == "longer" else []
        if word == "without" and "doubt" in self.words[place + 1 : place + 4]:
            return []
        if word == "nothing" and ahead == ["but"]:
            return []
        if word in ("fails", "failed", "fail", "unable", "failing") and _HIDDEN & set(
            self.words[place + 1 : place + 4]
        ):
            return []
        if word == "never" and not self._forward(place, nominal=False):
            return self._back(place)
        nominal = word in _NOMINAL and not (word in ("nor", "neither") and ahead and ahead[0] in VERBS)
        reached = self._forward(place, nominal=nominal)
        if word == "anything":
            return reached or self._back(place)
        if reached:
            return reached
        if word in ("no", "far", "without"):
            rest = [w for w in self.words[place + 1 : place + 5] if not w.endswith("ly")]
            if word == "far" or (rest and any(w in _MOVEMENT for w in rest[:3])):
                return self._back(place)
        if word in ("lacking", "lack", "lacks") and (not ahead or ahead[0] in (".", ",", ")")):
            return self._back(place)
        return []

    def _by_not(self, place: int) -> tuple[list[int], Status]:
        words, step = self.words, place + 1
        if step < len(words) and words[step] in ("only", "just", "merely", "simply", "least"):
            reached = self._forward(place, nominal=False)
            return reached, True
        text = " ".join(words[step : step + 4])
        if re.match(r"(?:be )?(?:entirely |completely )?(?:ruled out|excluded|dismissed)", text):
            return self._back(place) or self._forward(place, nominal=False), True
        if re.match(r"be (?:more|\w+er)\b", text) or any(word in _HIDDEN for word in words[step : step + 2]):
            return [], True
        degree = step < len(words) and words[step] in _DEGREES
        while step < len(words) and (words[step] in _BETWEEN or words[step].endswith("ly")):
            step += 1
        rest = words[step:]
        if not rest or all(word in _TRAILING or word in (",", ".", '"', ")") for word in rest):
            return self._back(place), False
        if rest[0] in _BACK or rest[0] in ("without", "lacking"):
            return [], True
        if rest[0] in PRESENCE and not any(at == step for at, *_ in self.spans):
            if degree:
                return [], True
            return self._back(place) or self._forward(place, nominal=False), False
        if rest[0] in ("a", "the", "an", "in") and rest[1:2] and rest[1] in ("thing", "part", "play", "case", "factor"):
            return self._back(place), False
        if degree and any(at == step and self.bare[k] for k, (at, *_) in enumerate(self.spans)):
            return [], True
        contrastive = place == 0 or words[place - 1] in (",", "(")
        return self._forward(place, nominal=False, contrastive=contrastive), False

    def _by_hardly(self, place: int, word: str) -> tuple[list[int], Status]:
        step = place + 1
        while step < len(self.words) and (self.words[step] in _BETWEEN or self.words[step].endswith("ly")):
            step += 1
        said = self.words[step : step + 1]
        if word == "barely" and said and said[0] in PRESENCE - {"move", "moves", "moving", "moved"}:
            return [], True
        if not said or said[0] in PRESENCE or all(w in _TRAILING for w in self.words[step:]):
            if (reached := self._back(place)) and not any(at == step for at, *_ in self.spans):
                return reached, False
        return self._forward(place, nominal=False), False

    def _by_comparison(self, place: int, word: str, ahead: list[str]) -> tuple[list[int], Status]:
        if word == "less" and ahead and ahead[0] in ("likely", "probable", "plausible"):
            return self._back(place) or self._forward(place, nominal=False), False
        before = self.words[:place]
        if word == "than" and "rather" not in before[-1:] and "other" not in before[-1:] and "more" in before:
            more = len(before) - 1 - before[::-1].index("more")
            if any(more < at < place for at, *_ in self.spans):
                return self._forward(place, nominal=True), False
        return [], True

    def _forward(self, place: int, nominal: bool, contrastive: bool = False) -> list[int]:
        """The mention behind a place, and those listed with it."""
        reached: list[int] = []
        end, closed = place, False
        for number, (at, first, last, one) in enumerate(self.spans):
            if at <= place:
                continue
            between = self.words[end + 1 : max(first, end + 1)] if first > place else self.words[end + 1 : at]
            if self.bracketed[place] and not self.bracketed[at]:
                break
            if not reached:
                if len(between) > 16 or "," in between or ";" in between:
                    break
                if nominal and "that" not in between and any(word in VERBS for word in between):
                    break
            elif not self._listed(between, number, nominal, contrastive) or (closed and "," in between):
                break
            closed = closed or (bool(reached) and ("or" in between or "nor" in between))
            reached.append(one)
            end = max(last, at)
        return reached

    def _listed(self, between: list[str], number: int, nominal: bool, contrastive: bool) -> bool:
        if any(word in VERBS or word in ("with", "without", "together", "only") for word in between):
            return False
        later = self.words[self.spans[number][0] :]
        if contrastive and "," in between and not {"or", "nor"} & {*between, *later}:
            return False
        if (
            between[:1] == [","]
            and between[1:2]
            and between[1] in ("a", "an", "the")
            and not {"or", "nor"} & set(later)
        ):
            return False
        bare = self.bare[number] and all(word in _LIST_WORDS for word in between)
        if "," in between and not bare and not {"or", "nor"} & {*between, *later}:
            return False
        if "and" in between and nominal and not bare and between[-1:] != ["and"]:
            return "or" in later or between[between.index("and") + 1 : between.index("and") + 2] == ["no"]
        return len([word for word in between if word not in _LIST_WORDS]) <= (2 if bare else 4)

    def _back(self, place: int) -> list[int]:
        """The mention before a place, and those listed with it."""
        reached: list[int] = []
        start = place
        for number in range(len(self.spans) - 1, -1, -1):
            at, first, last, one = self.spans[number]
            if at >= place:
                continue
            between = self.words[max(last, at) + 1 : start]
            if not reached:
                if self.bracketed[place] and not self.bracketed[at] and len(between) > 8:
                    break
            elif not all(word in _LIST_WORDS or self.bracketed[max(last, at) + 1] for word in between):
                break
            reached.append(one)
            start = min(first, at)
        return reached
