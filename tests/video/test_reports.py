"""Reports in sections: free ones are taken apart, structured ones stay, each expression leads with its own part."""

from llava_faba.video.reports import NOTHING, SECTIONS, arrange, ask_for_sections, read_sections, sections_of
from llava_faba.vocabulary import EXPRESSIONS

FREE = (
    "The corners of the mouth rise by 0.12 inter-ocular distances. The brows hardly move. Two blinks are seen. "
    "The mouth opens slightly. The movement is asymmetric. The face looks friendly."
)


def test_a_free_report_is_arranged_by_the_part_that_a_sentence_names():
    arranged = arrange(FREE, "smile")
    assert arranged.splitlines() == [
        "Mouth corners: The corners of the mouth rise by 0.12 inter-ocular distances.",
        "Mouth and jaw: The mouth opens slightly.",
        "Eyes: Two blinks are seen.",
        "Brows: The brows hardly move.",
        "Symmetry: The movement is asymmetric.",
        "Overall: The face looks friendly.",
    ]
    assert arrange(arranged, "smile") == arranged
    assert read_sections(arranged, "smile")["Brows"] == "The brows hardly move."


def test_each_expression_leads_with_the_part_that_it_moves():
    assert set(SECTIONS) == set(EXPRESSIONS)
    assert len({frozenset(headings) for headings in SECTIONS.values()}) == 1, "the same parts in another order"
    lead = {name: sections_of(name)[0] for name in EXPRESSIONS}
    assert lead["smile"] == "Mouth corners" and lead["frown"] == "Brows" and lead["squeeze_eyes"] == "Eyes"
    assert arrange("", "frown").splitlines()[0] == f"Brows: {NOTHING}"
    assert ask_for_sections("Describe it.", "frown").startswith("Describe it. Sections: Brows; Eyes;")
