"""One clause with its mentions -> those that a word at some place reaches, forward or back, over a list."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from llava_faba.claims.clauses import VERBS, Clause
from llava_faba.claims.face_words import PART_WORDS
from llava_faba.claims.negations import LIST_WORDS

Status = bool | None
FAR = 40  # words that are looked at on either side


class Mention(NamedTuple):
    """Numbers of the words of a mention; a negation has to reach `at`."""

    first: int
    at: int
    last: int
    bare: bool = True  # a name or a number, not a phrase with a verb


class Reach:
    """The words of one clause with its mentions: which of these lie before and behind a place."""

    def __init__(
        self,
        words: Sequence[str],
        clause: Clause,
        mentions: Sequence[Mention],
        inside: Sequence[int],
        found: list[Status],
    ):
        self.sentence = words
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
            if len(reached) == FAR:
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
        later = self.words[at : at + FAR]
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
