"""One clause with its mentions -> which of them its negations reach, forward or back."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from llava_faba.claims.clauses import VERBS, Clause
from llava_faba.claims.face_words import PART_WORDS, SYMMETRIC
from llava_faba.claims.negations import (
    AT_REST,
    BACK,
    BETWEEN,
    CANCELLED,
    CHANCE,
    COPULAS,
    DEGREES,
    FORWARD,
    HIDDEN,
    LIST_WORDS,
    MOVEMENT,
    NEEDS,
    NOMINAL,
    OPEN,
    PARTLY,
    PRESENCE,
    TRAILING,
    UNDECIDED,
)

Status = bool | None
_NO_DENIAL = frozenset(("doubt", "question", "longer", "wonder", "denying", "less"))
_DENIED = BACK | AT_REST | {"not", "no"}
_DOUBTING = frozenset(("i", "we", "would", "to", "may", "might", "one"))
_FAR = 40  # words that are looked at on either side


class Mention(NamedTuple):
    """Numbers of the words of a mention; a negation has to reach `at`."""

    first: int
    at: int
    last: int
    bare: bool = True  # a name or a number, not a phrase with a verb


class Scope:
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
        self.at = [span[0] for span in self.spans]
        self.places = set(self.at)
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
        for match in OPEN.finditer(text):
            place = text.count(" ", 0, match.end())
            value = False if match.group().endswith("be wrong") else None
            both = match.group().startswith(("would be expected", "may or may"))
            both = both and not FORWARD.intersection(self.words[:place])  # "lacks the raised cheeks that would be ..."
            reached = [one for at, _, _, one in self.spans if both or at > place]
            self._set(reached, value)
            opened.update(reached)
        return opened

    def _exceptions(self) -> set[int]:
        """Mentions that an exception names: "no AU other than AU12", "all AUs except AU12"; set at once."""
        named: set[int] = set()
        denied = {"no", "nothing", "none", "not", "nobody"} & set(self.words) or (BACK | AT_REST) & set(self.words)
        for place, word in enumerate(self.words):
            pair = self.words[place : place + 2]
            adds = word in ("besides", "beyond") or pair in (["apart", "from"], ["aside", "from"])
            if adds or word in ("except", "but") or pair == ["other", "than"]:
                reached = self._forward(place, nominal=True)
                self._set(reached, bool(denied) or adds)
                named.update(reached)
        return named

    def _negates_a_negation(self, place: int) -> bool:
        ahead = self.words[place + 1 : place + 4]
        for word in ahead:
            if word in BACK or word in HIDDEN or word in CANCELLED:
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
        if word in FORWARD:
            before = self.words[max(0, place - _FAR) : place]
            otherwise = word == "unlike" and not _DENIED.isdisjoint(before)
            return self._by_forward(place, word, ahead), otherwise  # "AU12 is absent, unlike AU4"
        if word in ("less", "more") or word == "than":
            return self._by_comparison(place, word, ahead)
        if word in UNDECIDED or (word in ("unclear", "uncertain") and (not ahead or ahead[0] in (".", ",", ")"))):
            return self._back(place), None
        if word == "zero" and ahead and ahead[0] in MOVEMENT:
            return self._by_forward(place, "no", ahead), False
        if word in ("off", "zero") and (not ahead or ahead[0] in (".", ",", ")")):
            return self._back(place), False
        if word == "out" and self.words[place : place + 4] == ["out", "of", "the", "question"]:
            return self._back(place), False
        if word in BACK or (word == "ruled" and ahead == ["out"]):
            attribute = not place or self.words[place - 1] in (",", "and", "an", "the")  # "strong AU6, absent AU4"
            if attribute and any(first == place + 1 for _, first, _, _ in self.spans):
                return self._forward(place, nominal=False), False
            return self._back(place) or self._forward(place, nominal=False), False
        if word in ("rules", "ruling", "rule") and ahead == ["out"]:
            return self._forward(place + 1, nominal=False), False
        if word == "little" and ahead and (ahead[0] in MOVEMENT or ahead[0] in ("to", "or")):
            return self._forward(place, nominal=True) or self._back(place), False
        if word in AT_REST and not any(self.words[k] in ("not", "no") for k in range(max(0, place - 3), place)):
            reached = self._back(place)
            nearest = bisect_left(self.at, place) - 1
            if not reached or not self.bare[nearest]:
                return [], False
            behind = self.spans[nearest][2]
            said = self.words[behind + 1 : place]
            return (reached if all(w in COPULAS or w.endswith("ly") for w in said) else []), False
        return [], True

    def _by_forward(self, place: int, word: str, ahead: list[str]) -> list[int]:
        if word == "doubt" and (not place or self.words[place - 1] not in _DOUBTING):
            return []
        needed = NEEDS.get(word)
        if needed and (not ahead or ahead[0] not in needed):
            return self._back(place) if word == "absence" else []
        if word == "no" and ahead and (ahead[0] in _NO_DENIAL or self.words[place + 1 : place + 3] == ["more", "than"]):
            return self._forward(place, nominal=True) if ahead[0] == "longer" else []
        if word == "no" and ahead == ["means"]:
            return self._forward(place, nominal=False) or self._back(place)
        if word == "without" and "doubt" in self.words[place + 1 : place + 4]:
            return []
        if word == "nothing" and ahead == ["but"]:
            return []
        if word in ("fails", "failed", "fail", "unable", "failing") and HIDDEN & set(self.words[place + 1 : place + 4]):
            return []
        if word == "never" and not self._forward(place, nominal=False):
            return self._back(place)
        nominal = word in NOMINAL and not (word in ("nor", "neither") and ahead and ahead[0] in VERBS)
        reached = self._forward(place, nominal=nominal)
        if word == "anything":
            return reached or self._back(place)
        if reached:
            return reached
        if word in ("no", "far", "without"):
            rest = [w for w in self.words[place + 1 : place + 5] if not w.endswith("ly")]
            if word == "far" or (rest and any(w in MOVEMENT for w in rest[:3])):
                return self._back(place)
        if word in ("lacking", "lack", "lacks") and (not ahead or ahead[0] in (".", ",", ")")):
            return self._back(place)
        return []

    def _by_not(self, place: int) -> tuple[list[int], Status]:
        words, step = self.words, place + 1
        if step < len(words) and words[step] in ("only", "just", "merely", "simply", "least"):
            reached = self._forward(place, nominal=False)
            return reached, True
        if words[step : step + 1] == ["as"] and "as" in words[step + 1 : step + 7]:
            return [], True  # "not as strong as"
        text = " ".join(words[step : step + 4])
        if re.match(r"(?:be )?(?:entirely |completely )?(?:ruled out|excluded|dismissed)", text):
            return self._back(place) or self._forward(place, nominal=False), True
        if re.match(r"be (?:more|\w+er)\b", text) or any(word in HIDDEN for word in words[step : step + 2]):
            return [], True
        degree = step < len(words) and words[step] in DEGREES
        even = not SYMMETRIC.isdisjoint(words[step : step + 2])
        if not even and PARTLY.intersection(words[step : step + 2]) and bisect_left(self.at, step) < bisect_right(self.at, step + 1):
            return [], True  # "not fully open", "does not close completely"
        while step < len(words) and (words[step] in BETWEEN or words[step].endswith("ly")):
            step += 1
        rest = words[step : step + _FAR]
        if not rest or all(word in TRAILING or word in (",", ".", '"', ")") for word in rest):
            return self._back(place), False
        if rest[0] in ("what", "something", "anything") or rest[:2] == ["made", "out"]:
            return self._back(place), False
        if rest[0] == "showing" and all(word in TRAILING or word == "." for word in rest[1:]):
            return self._back(place), False
        if rest[0] in BACK or rest[0] in ("without", "lacking"):
            return [], True
        if rest[0] in PRESENCE and step not in self.places:
            if degree:
                return [], True
            return self._back(place) or self._forward(place, nominal=False), False
        if rest[0] in ("a", "the", "an", "in") and rest[1:2] and rest[1] in ("thing", "part", "play", "case", "factor"):
            return self._back(place) or self._forward(place, nominal=False), False
        if degree and not even and step in self.places and self.bare[bisect_left(self.at, step)]:
            return [], True
        contrastive = place == 0 or words[place - 1] in (",", "(")
        return self._forward(place, nominal=False, contrastive=contrastive), False

    def _by_hardly(self, place: int, word: str) -> tuple[list[int], Status]:
        step = place + 1
        while step < len(self.words) and (self.words[step] in BETWEEN or self.words[step].endswith("ly")):
            step += 1
        said = self.words[step : step + 1]
        if word == "barely" and said and said[0] in PRESENCE - {"move", "moves", "moving", "moved"}:
            return [], True
        if not said or said[0] in PRESENCE or all(w in TRAILING for w in self.words[step : step + _FAR]):
            if (reached := self._back(place)) and step not in self.places:
                return reached, False
        return self._forward(place, nominal=False), False

    def _by_comparison(self, place: int, word: str, ahead: list[str]) -> tuple[list[int], Status]:
        if word == "less" and ahead and ahead[0] in ("likely", "probable", "plausible"):
            return self._back(place) or self._forward(place, nominal=False), False
        if word == "less" and ahead == ["like"]:
            return self._forward(place, nominal=False)[:1], False
        before = self.words[max(0, place - _FAR) : place]
        if word == "than" and "rather" not in before[-1:] and "other" not in before[-1:] and "more" in before:
            more = len(before) - 1 - before[::-1].index("more")
            if any(more < at < place for at, *_ in self.spans) or CHANCE & set(before[more:]):
                return self._forward(place, nominal=True), False
        return [], True

    def _forward(self, place: int, nominal: bool, contrastive: bool = False) -> list[int]:
        """The mention behind a place, and those listed with it."""
        reached: list[int] = []
        end, closed = place, False
        for number in range(bisect_right(self.at, place), len(self.spans)):
            at, first, last, one = self.spans[number]
            between = self.words[end + 1 : max(first, end + 1)] if first > place else self.words[end + 1 : at]
            if self.bracketed[place] and not self.bracketed[at]:
                break
            if not reached:
                if len(between) > 16 or "," in between or ";" in between:
                    break
                if nominal and "that" not in between and any(word in VERBS and word != "being" for word in between):
                    break
            elif self._is_adverb(number - 1):
                break  # "the lips are not evenly raised": they are raised
            elif not self._listed(between, number, nominal, contrastive) or (closed and "," in between):
                break
            closed = closed or (bool(reached) and ("or" in between or "nor" in between))
            reached.append(one)
            end = max(last, at)
            if len(reached) == _FAR:
                break
        return reached

    def _is_adverb(self, number: int) -> bool:
        """Whether a mention is one word right before the next one."""
        at, first, last, _ = self.spans[number]
        return self.bare[number] and first == last == at and at + 1 in self.places

    def _listed(self, between: list[str], number: int, nominal: bool, contrastive: bool) -> bool:
        if any(word in VERBS or word in ("with", "without", "together", "only") for word in between):
            return False
        at = self.spans[number][0]
        later = self.words[at : at + _FAR]
        if contrastive and "," in between and not {"or", "nor"} & {*between, *later}:
            return False
        if (
            between[:1] == [","]
            and between[1:2]
            and between[1] in ("a", "an", "the")
            and not {"or", "nor"} & set(later)
        ):
            return False
        bare = self.bare[number] and all(word in LIST_WORDS for word in between)
        if "," in between and not bare and not {"or", "nor"} & {*between, *later}:
            return False
        if "and" in between and nominal and not bare and between[-1:] != ["and"]:
            following = between[between.index("and") + 1]
            return "or" in later or following in ("no", "of", "any")
        return len([word for word in between if word not in LIST_WORDS]) <= (2 if bare else 4)

    def _back(self, place: int) -> list[int]:
        """The mention before a place, and those listed with it."""
        reached: list[int] = []
        start, joined = place, False
        for number in range(bisect_left(self.at, place) - 1, -1, -1):
            at, first, last, one = self.spans[number]
            between = self.words[max(last, at) + 1 : start]
            if not reached:
                if self.bracketed[place] and not self.bracketed[at] and len(between) > 8:
                    break
                if "," in between and not PART_WORDS.keys().isdisjoint(between[between.index(",") :]):
                    break  # "the cheeks are raised, the brows not at all"
            elif not all(word in LIST_WORDS or self.bracketed[max(last, at) + 1] for word in between):
                break
            elif "," in between and (self.bracketed[place] or not (self.bare[number] or joined)):
                break  # "corners pulled up, teeth not visible"
            joined = joined or bool({"and", "or", "nor"} & set(between))
            reached.append(one)
            start = min(first, at)
        return reached
