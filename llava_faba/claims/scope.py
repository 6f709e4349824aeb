"""One clause with its mentions -> which of them its negations deny, or leave open."""

import re
from bisect import bisect_left

from llava_faba.claims.clauses import VERBS
from llava_faba.claims.denials import Denials
from llava_faba.claims.face_words import CARRIERS, MOVEMENT_WORDS
from llava_faba.claims.negations import (
    AT_REST,
    BACK,
    CANCELLED,
    COPULAS,
    FORWARD,
    HIDDEN,
    MOVEMENT,
    OPEN,
    PRESENCE,
    UNDECIDED,
)
from llava_faba.claims.reach import FAR, Status

_DENIED = BACK | AT_REST | {"not", "no"}
_ABSENT = _DENIED | {"nothing", "none", "nobody"}
_EXCEPTING = frozenset("besides beyond apart aside except but other".split())
_EFFECTS = (
    MOVEMENT_WORDS.keys()
    | CARRIERS
    | frozenset("cause produce create lower need have indicate suggest signal mean imply look feel".split())
)
_WOULD_BE = re.compile(r"would (?:\w+ )?be(?: \w+ly)?$")
_ENDS = frozenset((",", ".", ";", "and"))


class Scope(Denials):
    """The negations of one clause and what they reach."""

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
            passive = "not be" in match.group() and self.at[0] < place  # "AU1 cannot be assessed"
            reached = [one for at, _, _, one in self.spans if both or (at > place) != passive]
            self._set(reached, value)
            opened.update(reached)
        for number, (at, _, last, one) in enumerate(self.spans if "would" in self.words else ()):
            if not self.bare[number] and _WOULD_BE.search(" ".join(self.words[max(0, at - 3) : at])):
                self._set([one], None)  # "in a genuine smile, the cheeks would be raised"
                opened.add(one)
            if self.words[last + 1 : last + 2] == ["would"] and not _EFFECTS.isdisjoint(
                self.words[last + 2 : last + 4]
            ):
                reached = [one for *_, one in self.spans[number:]]  # "AU9 would wrinkle the nose"
                self._set(reached, None)
                opened.update(reached)
        if "only" in self.words and "among" in self.words:  # "AU4 is the only one among AU1, AU2 and AU4"
            among = self.words.index("among")
            if self.words.index("only") < among:
                reached = self._forward(among, nominal=True)
                self._set(reached, None)
                opened.update(reached)
        return opened

    def _exceptions(self) -> set[int]:
        """Mentions that an exception names: "no AU other than AU12", "all AUs except AU12"; set at once."""
        named: set[int] = set()
        for place, word in enumerate(self.words):
            if word not in _EXCEPTING:
                continue
            pair = self.words[place : place + 2]
            adds = word in ("besides", "beyond") or pair in (["apart", "from"], ["aside", "from"])
            if (
                adds
                or (word in ("except", "but") and (self.words[place - 1] != "anything" or "not" in self.words[:place]))
                or pair == ["other", "than"]
            ):
                reached = self._forward(place, nominal=True)
                self._set(reached, adds or not _ABSENT.isdisjoint(self.words))
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
            before = self.words[max(0, place - FAR) : place] if place else self.sentence
            otherwise = word in ("unlike", "contrary") and not _DENIED.isdisjoint(before)
            return self._by_forward(place, word, ahead), otherwise  # "AU12 is absent, unlike AU4"
        if word in ("less", "more") or word == "than":
            return self._by_comparison(place, word, ahead)
        if word in UNDECIDED or (word in ("unclear", "uncertain") and (not ahead or ahead[0] in (".", ",", ")"))):
            return self._back(place), None
        if word == "zero" and ahead == ["intensity"]:
            return self._back(place), False
        if (
            word in ("0", "zero", "nil", "null")
            and self.words[place - 1] in ("is", "of", "at")
            and _ENDS.issuperset(ahead)
        ):
            return self._back(place), False  # "AU6 has an intensity of 0"
        if word in ("wrong", "incorrect") and self.words[place - 1] in ("be", "is", "are") and _ENDS.issuperset(ahead):
            return self._back(place), False
        if word == "zero" and ahead and ahead[0] in MOVEMENT:
            return self._by_forward(place, "no", ahead), False
        if word == "out" and self.words[place - 1] in ("is", "are") and (not ahead or ahead[0] in (".", ",")):
            return self._back(place), False
        if word in ("off", "zero") and (not ahead or ahead[0] in (".", ",", ")")):
            return self._back(place), False
        if word == "out" and self.words[place : place + 4] == ["out", "of", "the", "question"]:
            return self._back(place), False
        if word in BACK or (word == "ruled" and ahead == ["out"]):
            if any(at < place <= last for at, _, last, _ in self.spans):
                return [], False  # "flat and inactive" is one phrase
            attribute = not place or self.words[place - 1] in (",", "and", "an", "the")  # "strong AU6, absent AU4"
            if attribute and any(first == place + 1 for _, first, _, _ in self.spans):
                return self._forward(place, nominal=False), False
            return self._back(place) or self._forward(place, nominal=False), False
        if word in ("rule", "ruled") and "out" in self.words[place + 2 : place + 8]:
            return self._forward(place, nominal=True), False  # "I would rule AU9 out"
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
