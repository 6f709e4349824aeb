"""One clause with its mentions -> which of them its negations reach, forward or back."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from llava_faba.claims.clauses import VERBS, Clause
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
    PRESENCE,
    TRAILING,
)

Status = bool | None


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
            reached = [one for at, _, _, one in self.spans if both or at > place]
            self._set(reached, value)
            opened.update(reached)
        return opened

    def _exceptions(self) -> set[int]:
        """Mentions that an exception names: "no AU other than AU12", "all AUs except AU12"; set at once."""
        named: set[int] = set()
        denied = {"no", "nothing", "none", "not", "nobody"} & set(self.words) or BACK & set(self.words)
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
            before = self.words[:place]
            otherwise = word == "unlike" and ("not" in before or bool(BACK.intersection(before)))
            return self._by_forward(place, word, ahead), otherwise  # "AU12 is absent, unlike AU4"
        if word in ("less", "more") or word == "than":
            return self._by_comparison(place, word, ahead)
        if word in ("off", "zero") and (not ahead or ahead[0] in (".", ",", ")")):
            return self._back(place), False
        if word == "out" and self.words[place : place + 4] == ["out", "of", "the", "question"]:
            return self._back(place), False
        if word in BACK or (word == "ruled" and ahead == ["out"]):
            reached = self._back(place) or self._forward(place, nominal=False)
            return reached, False
        if word in ("rules", "ruling", "rule") and ahead == ["out"]:
            return self._forward(place + 1, nominal=False), False
        if word == "little" and ahead and (ahead[0] in MOVEMENT or ahead[0] in ("to", "or")):
            return self._forward(place, nominal=True) or self._back(place), False
        if word in AT_REST and not any(self.words[k] in ("not", "no") for k in range(max(0, place - 3), place)):
            reached = [one for one in self._back(place) if self._is_bare(one)]
            behind = max((last for at, _, last, one in self.spans if one in reached), default=place)
            said = self.words[behind + 1 : place]
            return (reached if all(w in COPULAS or w.endswith("ly") for w in said) else []), False
        return [], True

    def _is_bare(self, one: int) -> bool:
        return next(self.bare[k] for k, span in enumerate(self.spans) if span[3] == one)

    def _by_forward(self, place: int, word: str, ahead: list[str]) -> list[int]:
        needed = NEEDS.get(word)
        if needed and (not ahead or ahead[0] not in needed):
            return self._back(place) if word == "absence" else []
        if word == "no" and ahead and ahead[0] in ("doubt", "question", "longer", "wonder", "denying", "less"):
            return self._forward(place, nominal=True) if ahead[0] == "longer" else []
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
        text = " ".join(words[step : step + 4])
        if re.match(r"(?:be )?(?:entirely |completely )?(?:ruled out|excluded|dismissed)", text):
            return self._back(place) or self._forward(place, nominal=False), True
        if re.match(r"be (?:more|\w+er)\b", text) or any(word in HIDDEN for word in words[step : step + 2]):
            return [], True
        degree = step < len(words) and words[step] in DEGREES
        while step < len(words) and (words[step] in BETWEEN or words[step].endswith("ly")):
            step += 1
        rest = words[step:]
        if not rest or all(word in TRAILING or word in (",", ".", '"', ")") for word in rest):
            return self._back(place), False
        if rest[0] in BACK or rest[0] in ("without", "lacking"):
            return [], True
        if rest[0] in PRESENCE and not any(at == step for at, *_ in self.spans):
            if degree:
                return [], True
            return self._back(place) or self._forward(place, nominal=False), False
        if rest[0] in ("a", "the", "an", "in") and rest[1:2] and rest[1] in ("thing", "part", "play", "case", "factor"):
            return self._back(place) or self._forward(place, nominal=False), False
        if degree and any(at == step and self.bare[k] for k, (at, *_) in enumerate(self.spans)):
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
        if not said or said[0] in PRESENCE or all(w in TRAILING for w in self.words[step:]):
            if (reached := self._back(place)) and not any(at == step for at, *_ in self.spans):
                return reached, False
        return self._forward(place, nominal=False), False

    def _by_comparison(self, place: int, word: str, ahead: list[str]) -> tuple[list[int], Status]:
        if word == "less" and ahead and ahead[0] in ("likely", "probable", "plausible"):
            return self._back(place) or self._forward(place, nominal=False), False
        before = self.words[:place]
        if word == "than" and "rather" not in before[-1:] and "other" not in before[-1:] and "more" in before:
            more = len(before) - 1 - before[::-1].index("more")
            if any(more < at < place for at, *_ in self.spans) or CHANCE & set(before[more:]):
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
        bare = self.bare[number] and all(word in LIST_WORDS for word in between)
        if "," in between and not bare and not {"or", "nor"} & {*between, *later}:
            return False
        if "and" in between and nominal and not bare and between[-1:] != ["and"]:
            return "or" in later or between[between.index("and") + 1 : between.index("and") + 2] == ["no"]
        return len([word for word in between if word not in LIST_WORDS]) <= (2 if bare else 4)

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
            elif not all(word in LIST_WORDS or self.bracketed[max(last, at) + 1] for word in between):
                break
            reached.append(one)
            start = min(first, at)
        return reached
