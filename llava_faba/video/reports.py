"""Reports in sections: which parts of the face a report speaks of, by expression, and how it is written and read.

PFED5+ has "structured textual reports" (arXiv 2606.26942); their template is not published. The sections here are
llava-faba's own and are named so: the part that the expression moves comes first, then the others, the symmetry, and
whatever belongs to no part. A line a section:

    Mouth corners: They rise slightly.
    Symmetry: Left and right move alike.
"""

import re

from llava_faba.evidence.words import named_parts, said_uneven, split_sentences

REPORT_MODES = ("free", "sections")
STRUCTURE = "llava-faba sections 1"  # the name of this structure; another one gets another number
SYMMETRY, REST = "Symmetry", "Overall"
NOTHING = "Not described."
PART_OF = {  # section -> the parts, as `named_parts` calls them, and the words that belong to it
    "Mouth corners": ("mouth corners",),
    "Mouth and jaw": ("mouth",),
    "Eyes": ("lids",),
    "Brows": ("brows",),
}
WORDS_OF = {"Mouth and jaw": re.compile(r"\b(?:jaws?|teeth|chin)\b"), "Eyes": re.compile(r"\b(?:blink\w*|eyes?)\b")}
SECTIONS = {
    "sit_at_rest": ("Eyes", "Mouth and jaw", "Mouth corners", "Brows", SYMMETRY, REST),
    "smile": ("Mouth corners", "Mouth and jaw", "Eyes", "Brows", SYMMETRY, REST),
    "frown": ("Brows", "Eyes", "Mouth corners", "Mouth and jaw", SYMMETRY, REST),
    "squeeze_eyes": ("Eyes", "Brows", "Mouth corners", "Mouth and jaw", SYMMETRY, REST),
    "clench_teeth": ("Mouth and jaw", "Mouth corners", "Eyes", "Brows", SYMMETRY, REST),
}


def sections_of(expression: str) -> tuple[str, ...]:
    """Return the sections of an expression's report, in their order; an expression of one's own has those of smile."""
    return SECTIONS.get(expression, SECTIONS["smile"])


def ask_for_sections(question: str, expression: str) -> str:
    """Return a question that asks for a report in sections."""
    return f"{question.rstrip()} Sections: {'; '.join(sections_of(expression))}."


def arrange(report: str, expression: str) -> str:
    """Return a report in sections; a free one is taken apart by sentences, each to the section of its first part.

    A section that no sentence belongs to says so. A report that is in sections already is returned as it is.

    >>> print(arrange("The brows hardly move. The corners of the mouth rise.", "smile").splitlines()[0])
    Mouth corners: The corners of the mouth rise.
    """
    headings = sections_of(expression)
    if set(read_sections(report, expression)) == set(headings):
        return report.strip()
    kept: dict[str, list[str]] = {heading: [] for heading in headings}
    for sentence in split_sentences(report):
        kept[_section(sentence.lower())].append(sentence)
    return write_sections({heading: " ".join(sentences) for heading, sentences in kept.items()}, expression)


def write_sections(texts: dict[str, str], expression: str) -> str:
    """Write one line a section."""
    return "\n".join(f"{heading}: {texts.get(heading) or NOTHING}" for heading in sections_of(expression))


def read_sections(report: str, expression: str) -> dict[str, str]:
    """Return the text of each section that a report has, by its heading."""
    headings = "|".join(re.escape(heading) for heading in sections_of(expression))
    pieces = re.split(rf"(?m)^({headings}):[ ]*", report)
    return {heading: text.strip() for heading, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def _section(sentence: str) -> str:
    if said_uneven(sentence) is not None:
        return SYMMETRY
    parts = named_parts(sentence)
    for section, own in PART_OF.items():
        if parts and parts[0] in own:
            return section
    return next((section for section, words in WORDS_OF.items() if words.search(sentence)), REST)
