"""One clause with its mentions -> what each of its words of denial reaches, forward or back."""

import re
from bisect import bisect_left

from llava_faba.claims.clauses import VERBS
from llava_faba.claims.face_words import SYMMETRIC
from llava_faba.claims.negations import (
    BACK,
    BETWEEN,
    CANCELLED,
    CHANCE,
    DEGREES,
    HIDDEN,
    MOVEMENT,
    NEEDS,
    NOMINAL,
    PARTLY,
    PRESENCE,
    TRAILING,
)
from llava_faba.claims.reach import FAR, Reach, Status

_NO_DENIAL = frozenset(("doubt", "question", "longer", "wonder", "denying", "less"))
_SHOWING = frozenset(("show", "fire", "contract", "activate", "manifest", "materialise", "materialize", "register"))
_ONLY_A = re.compile(
    r"\bnot an? (?:very |really )?(?:broad|big|wide|strong|full|large|great|deep|clear|bright) \w+ ?"
    r"(?:, |, but |but )(?:rather |only |just |merely )*an? (?:\w+ ){1,2}one\b"
)
_PLAYING = frozenset("has have had plays play".split())
_POINTING = frozenset("points speaks argues hints supports indicates".split())
_SHUT = frozenset(("closed", "shut", "sealed"))
_DOUBTING = frozenset(("i", "we", "would", "to", "may", "might", "one"))


class Denials(Reach):
    """What "not", "no", "hardly", "less" and their like reach in a clause."""

    def _by_forward(self, place: int, word: str, ahead: list[str]) -> list[int]:
        if word == "doubt" and (not place or self.words[place - 1] not in _DOUBTING):
            return []
        if word == "no" and ahead in (["part"], ["role"], ["place"]) and self.words[place - 1] in _PLAYING:
            return self._back(place)  # "AU15 has no part in this"
        if word in ("exclude", "nor") and "exclude neither" in " ".join(self.words):
            return []
        needed = NEEDS.get(word)
        if needed and (not ahead or ahead[0] not in needed):
            return self._back(place) if word == "absence" else []
        if word == "no" and ahead and (ahead[0] in _NO_DENIAL or self.words[place + 1 : place + 3] == ["more", "than"]):
            return (self._forward(place, nominal=False) or self._back(place)) if ahead[0] == "longer" else []
        if word == "no" and ahead == ["means"]:
            return self._forward(place, nominal=False) or self._back(place)
        if word == "without" and "doubt" in self.words[place + 1 : place + 4]:
            return []
        if word == "nothing" and (ahead == ["but"] or self.words[place + 1 : place + 3] == ["more", "than"]):
            return []
        if word in ("fails", "failed", "fail", "unable", "failing") and HIDDEN & set(self.words[place + 1 : place + 4]):
            return []
        if word == "neither" and not HIDDEN.union(CANCELLED).isdisjoint(self.words[max(0, place - 2) : place]):
            return []  # "we can exclude neither AU6 nor AU12"
        if (
            word == "never"
            and ahead
            and ahead[0] in PRESENCE
            and self.words[place + 2 : place + 3] in ([], ["and"], [","], ["."])
            and place + 1 not in self.places
        ):
            return self._back(place)
        if word == "never" and not self._forward(place, nominal=False):
            return self._back(place)
        if word == "no" and ahead and ahead[0] in ("point", "time", "moment", "way", "circumstances"):
            return self._forward(place + 1, nominal=False) or self._back(place)  # "at no point does AU12 occur"
        if word == "nothing" and ahead and ahead[0] in VERBS | _POINTING:
            return self._forward(place, nominal=False)
        nominal = word in NOMINAL and not (word in ("nor", "neither") and ahead and ahead[0] in VERBS)
        reached = self._forward(place, nominal=nominal)
        if word == "anything":
            return reached or self._back(place)
        if reached:
            return reached
        if word in ("fails", "failed", "fail", "failing") and PRESENCE.union(_SHOWING) & set(
            self.words[place + 1 : place + 4]
        ):
            return self._back(place)  # "AU17 fails to show"
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
        if "one" in self.sentence and _ONLY_A.search(" ".join(self.sentence)):
            return self._forward(place, nominal=False), True  # "not a broad smile, only a faint one"
        if words[step : step + 1] == ["as"] and "as" in words[step + 1 : step + 7]:
            return [], True  # "not as strong as"
        text = " ".join(words[step : step + 4])
        if re.match(r"(?:be )?(?:entirely |completely )?(?:ruled out|excluded|dismissed)", text):
            return self._back(place) or self._forward(place, nominal=False), True
        if re.match(r"(?:keep|refrain|hold back) from", text):
            return [], True
        if re.match(r"be (?:more|\w+er)\b", text) or any(word in HIDDEN for word in words[step : step + 2]):
            return [], True
        if re.match(r"\w+ (?:very|that|too) (?:high|far|low|much|strongly|widely)\b", text):
            return [], True  # "not raised very high"
        if "alone" in words[step + 1 : step + 3] and "but" in self.sentence:
            return [], True  # "not AU6 alone, but AU12 too"
        degree = step < len(words) and words[step] in DEGREES
        even = not SYMMETRIC.isdisjoint(words[step : step + 2])
        partly = not even and not PARTLY.isdisjoint(words[step : step + 2])
        if partly and _SHUT.intersection(words[step : step + 3]) and "close" not in words[step : step + 2]:
            partly = False  # "the mouth is not fully closed": it is open
        if partly and not self.places.isdisjoint((step, step + 1)):
            return [], True  # "not fully open", "does not close completely"
        while step < len(words) and (words[step] in BETWEEN or words[step].endswith("ly")):
            step += 1
        rest = words[step : step + FAR]
        if not rest or all(word in TRAILING or word in (",", ".", '"', ")") for word in rest):
            return self._back(place), False
        if (
            rest[:2] in (["take", "place"], ["taken", "place"])
            or rest[0] == "work"
            or (rest[0] in _SHOWING and all(word in TRAILING or word in (",", ".") for word in rest[1:]))
        ):
            return self._back(place), False  # "AU6 does not take place", "a smile doesn't show"
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
        if rest[0] in ("accompany", "join", "support"):
            return self._back(place), False
        contrastive = place == 0 or words[place - 1] in (",", "(")
        return self._forward(place, nominal=False, contrastive=contrastive), False

    def _by_hardly(self, place: int, word: str) -> tuple[list[int], Status]:
        step = place + 1
        while step < len(self.words) and (self.words[step] in BETWEEN or self.words[step].endswith("ly")):
            step += 1
        said = self.words[step : step + 1]
        if word == "barely" and said in (["smiling"], ["smiles"]):
            return [], True
        if word == "barely" and said and said[0] in PRESENCE - {"move", "moves", "moving", "moved"}:
            return [], True
        if not said or said[0] in PRESENCE or all(w in TRAILING for w in self.words[step : step + FAR]):
            if (reached := self._back(place)) and step not in self.places:
                return reached, False
        return self._forward(place, nominal=False), False

    def _by_comparison(self, place: int, word: str, ahead: list[str]) -> tuple[list[int], Status]:
        if word == "less" and ahead and ahead[0] in ("likely", "probable", "plausible"):
            return self._back(place) or self._forward(place, nominal=False), False
        if word == "less" and "than" in self.words[place + 2 : place + 8]:
            than = self.words.index("than", place + 2)
            if any(at > than for at in self.at):  # "less sad than angry", "less a smile than a grimace"
                return [one for at, _, _, one in self.spans if place < at < than], False
        if word == "less" and ahead == ["like"]:
            return self._forward(place, nominal=False)[:1], False
        before = self.words[max(0, place - FAR) : place]
        if word == "than" and "rather" not in before[-1:] and "other" not in before[-1:] and "more" in before:
            more = len(before) - 1 - before[::-1].index("more")
            if any(more < at < place for at, *_ in self.spans) or CHANCE & set(before[more:]):
                return self._forward(place, nominal=True), False
        return [], True
