"""Words of a sentence -> clauses: each with its own verb, and the part it plays in a contrast.

A sentence is cut at contrasts ("but", "although"), causes and relatives ("because", "which"), colons and dashes, and
where "and" or a comma begins a statement with a verb of its own. Lists stay whole: "AU1, AU2 and AU4 are absent".
"""

from dataclasses import dataclass, field

# Forms that make a statement; those that also name a movement of the face are left out.
VERBS = frozenset(
    "is are was were am be been being has have had does do did can could may might will would must should shows show "
    "showed appears appear appeared seems seem seemed looks remains remain remained stays stay suggests suggest "
    "suggested indicates indicate conveys convey conveyed displays display expresses express exhibits exhibit reveals "
    "reveal points makes gives feels feel lacks tells fits shares reflects implies communicates dominates surrounds "
    "combines lets leads tell means supports stands stand catches notices prevails becomes contributes "
    "occurs weren wasn "
    "isn aren".split()
)
_PARTICIPLES = frozenset(
    "suggesting indicating conveying implying signalling signaling showing revealing giving making creating pointing "
    "reflecting expressing lending hinting communicating meaning exposing judging".split()
)
_SUBORDINATE = frozenset(("although", "though", "while", "whereas", "whilst", "despite", "albeit"))
_CAUSES = frozenset(("because", "since", "if", "unless", "when", "where", "which", "who", "whose", "given"))
_OPENERS = frozenset(("if", "unless", "because", "since", "when"))
_ASKING = frozenset("tell say know clear sure certain determine see judge possible unclear uncertain as".split())
_SET = frozenset("anything only at ever any not slightly just barely".split())  # "if anything", "if only slightly"
_HARD = frozenset((";", "|", "{", "}", "[", "]"))
_MARKS = frozenset((":", "=", "\u2013"))
_FRAGMENTS = frozenset(
    "no without with in besides despite unlike like apart aside given based rather instead not contrary compared "
    "due by "
    "from for at upon overall beyond on of under as even".split()
)
_CONTRASTS = frozenset(("but", "however", "nevertheless", "nonetheless", "yet", "so", "in")) | _SUBORDINATE
_CUTTING = _HARD | _MARKS | _CAUSES | _OPENERS | _CONTRASTS | {"(", "as", "so", ",", "and", "nor"}
_BREAKS = frozenset((",", ";", "and", "or", "nor", "but", "which", "because", "(", ")", ":", "\u2013"))
_NAMED = frozenset(("au", "aus", "action", "the", "his", "her", "both"))
_UNITS = frozenset(("au", "aus", "action"))
_APART = frozenset("given despite without besides unlike except contrary instead as rather".split())
_ADDING = frozenset(
    "none of all only just and furthermore moreover also additionally then thus therefore hence both likewise".split()
)
_OWN = frozenset(("with", "without", "just", "only", "rather", "instead"))


@dataclass
class Clause:
    """Numbers of the words of one statement."""

    role: str = "main"  # "main", "conceded" ("although ...", or before "but"), "answer" (after "but"), "cause", "aside"
    words: list[int] = field(default_factory=list)
    bracketed: set[int] = field(default_factory=set)  # those that stand between brackets
    marked: bool = False  # it follows a colon, a dash or "="
    opener: str = ""  # the word of a cause or condition that it began with


def split_clauses(words: list[str]) -> list[Clause]:
    """Cut the words of a sentence into clauses."""
    found: list[Clause] = []
    _split(words, 0, len(words), "main", found)
    return [clause for clause in found if clause.words]


def _split(words: list[str], start: int, end: int, role: str, found: list[Clause]) -> None:
    clause = Clause(role)
    found.append(clause)
    has_verb = False

    def cut(role: str, marked: bool = False) -> None:
        nonlocal clause, has_verb
        clause, has_verb = Clause(role, marked=marked), False
        found.append(clause)

    at = start
    while at < end:
        word = words[at]
        if word not in _CUTTING:
            clause.words.append(at)
            has_verb = has_verb or word in VERBS
            at += 1
            continue
        following = words[at + 1] if at + 1 < end else ""
        if word in _HARD:
            cut("main", marked=word == "[" and at > start and words[at - 1] in _MARKS)
        elif word in _MARKS:
            cut(role if clause.role == "aside" else clause.role, marked=True)
        elif word == "(":
            close = _closing(words, at, end)
            inner = words[at + 1 : close]
            if len(inner) > 2 and any(one in VERBS for one in inner):
                _split(words, at + 1, close, "aside", found)
                found.remove(clause)
                found.append(clause)
            else:
                clause.words += range(at + 1, close)
                clause.bracketed.update(range(at + 1, close))
            at = close
        elif contrast := _contrast(words, at, has_verb, [words[k] for k in clause.words[:3]]):
            if contrast == "but" and clause.words:
                clause.role = "conceded" if clause.role == "main" else clause.role
                cut("answer")
            elif contrast == "but":
                clause.role = "answer"
            else:
                if clause.words and words[clause.words[-1]] == "even":
                    clause.words.pop()  # "even though"
                cut("conceded")
        elif word in _CAUSES and not clause.words and (at > start or word in _OPENERS) and not _is_set(words, at):
            clause.role, clause.opener = "cause", word
        elif word in _CAUSES and _is_cause(words, at):
            stop = _end_of_relative(words, at, end) if word in ("which", "who", "whose", "where") else 0
            if stop:
                _split(words, at + 1, stop, "cause", found)
                found.remove(clause)
                found.append(clause)
                at = stop
            else:
                cut("cause")
                clause.opener = word
        elif (
            word == "as"
            and following not in ("if", "though")
            and clause.words
            and (has_verb or words[at - 1] == ",")
            and _begins_statement(words, at, end)
        ):
            cut("cause")
        elif word == "so" and clause.words and words[at - 1] == "," and following not in ("much", "many"):
            cut("main")
        elif word in (",", "and", "nor") and clause.words and _begins(words, at, end, clause, has_verb):
            cut("main" if clause.role in ("conceded", "cause") and word == "," else clause.role)
            if word == "nor":
                clause.words.append(at)
        else:
            clause.words.append(at)
            has_verb = has_verb or word in VERBS
        at += 1


def _is_cause(words: list[str], at: int) -> bool:
    return words[at] != "if" or ((not at or words[at - 1] not in _ASKING) and not _is_set(words, at))


def _is_set(words: list[str], at: int) -> bool:
    """Whether "if" is part of a set expression: "if anything", "if only slightly"."""
    return words[at] == "if" and words[at + 1 : at + 2] != [] and words[at + 1] in _SET


def _closing(words: list[str], at: int, end: int) -> int:
    return next((step for step in range(at + 1, min(end, at + 40)) if words[step] == ")"), at)


def _contrast(words: list[str], at: int, has_verb: bool, opening: list[str]) -> str:
    word = words[at]
    before = words[at - 1] if at else ""
    following = words[at + 1] if at + 1 < len(words) else ""
    if word in ("but", "however", "nevertheless", "nonetheless", "yet"):
        if before in ("nothing", "anything", "not", "help", "all") or (
            word == "however" and following == "," and before == ","
        ):
            return ""
        if word == "but" and not has_verb and {"every", "all", "no"} & set(opening):
            return ""  # "every AU but AU12"
        return "but"
    if word == "so" and before != "not" and words[at : at + 3] == ["so", "much", "as"]:
        return "but"
    if word in _SUBORDINATE:
        return "" if word == "though" and following in (".", "", ",") else "sub"
    if word == "in" and words[at : at + 3] == ["in", "spite", "of"]:
        return "sub"
    return ""


def _end_of_relative(words: list[str], at: int, end: int) -> int:
    """Where a relative between commas ends and the statement around it goes on; 0 if it does not."""
    if at == 0 or words[at - 1] not in (",", "of"):
        return 0
    for step in range(at + 1, min(end, at + 25)):
        if words[step] == "," and words[step + 1 : step + 2] and words[step + 1] in VERBS:
            return step
    return 0


def _begins_statement(words: list[str], at: int, end: int, past_and: bool = False) -> bool:
    for step in range(at + 1, min(end, at + 12)):
        if words[step] in VERBS:
            return True
        if words[step] in _BREAKS and not (past_and and words[step] == "and"):
            return False
    return False


def list_leads_to_verb(words: list[str], at: int, end: int) -> bool | None:
    """Whether the AUs listed behind a comma or "and" are the subject of a verb; None where no AU stands there.

    "AU4, AU7 and AU9 are absent": an "and" closes the list, so in "I see AU4 and AU7, AU9 is absent" one subject is
    AU9. With "or" and "nor" a list belongs to the negation before it.
    """
    step = at + 1
    while step < end and words[step] in _ADDING:
        step += 1
    closed, found = words[at] == "and" and words[at - 1] != ",", False
    while step + 1 < end and words[step] in _UNITS:
        step += 2 + (words[step] == "action")
        found = True
        if step < end and words[step] == "(":
            step = _closing(words, step, end) + 1
        if closed or step >= end:
            break
        joint = words[step : step + 2]
        if "or" in joint or "nor" in joint:
            return False
        if joint[0] == "and" or joint == [",", "and"]:
            closed = True
            step += len(joint) - (joint[0] == "and")
        elif joint[0] == ",":
            step += 1
        else:
            break
    if not found:
        return None
    if step < end and words[step] == "being":
        return None
    return step < end and words[step] in VERBS


def _begins(words: list[str], at: int, end: int, clause: Clause, has_verb: bool) -> bool:
    """Whether a comma, "and" or "nor" begins another statement."""
    following = words[at + 1] if at + 1 < end else ""
    if following == "and" and words[at] == ",":
        return False  # the "and" decides
    if following in _OWN and words[at + 2 : at + 3] != ["than"]:
        return following != "with" or has_verb or words[clause.words[0]] in _FRAGMENTS
    leads = list_leads_to_verb(words, at, end)
    if leads is not None and words[at - 1][-1].isalnum() and words[max(0, at - 2) : at][0] in _UNITS:
        first = clause.words[0]
        apart = words[first] in _APART or words[first - 1 : first] == ["despite"]
        return leads and (has_verb or (words[at] == "," and apart))
    if leads and (has_verb or (words[at] == "," and words[clause.words[0]] in _FRAGMENTS)):
        return True
    if words[at] == "," and following in ("or", "nor") and leads is None and words[at + 2 : at + 3] == ["au"]:
        return False
    if words[at] == "," and (following in _PARTICIPLES or clause.role == "conceded" or clause.opener in _OPENERS):
        return True
    if words[at] == "," and following in ("it", "he", "she", "they", "there", "this", "i"):
        return _begins_statement(words, at, end)
    listed = words[at] == "," and has_verb and following in _NAMED
    if not _begins_statement(words, at, end, past_and=listed):
        return False
    if has_verb or (clause.role in ("conceded", "cause") and words[at] == ","):
        return True
    if words[at] == "," and "being" in words[at + 1 : at + 5]:
        return True
    return words[at] == "," and words[clause.words[0]] in _FRAGMENTS
