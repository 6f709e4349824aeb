"""Our rougeL is the `rouge-score` package's, plain and stemmed."""

import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from llava_faba.eval.google_rouge import google_rouge_l

PLAIN, STEMMED = RougeScorer(["rougeL"]), RougeScorer(["rougeL"], use_stemmer=True)
WORDS = (
    "The lips are pressed, tightened tightening AU4 (AU12) dying skies generously it's naïve relational 1,2 I".split()
)
TEXTS = st.one_of(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join), st.text(max_size=60))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(answer=TEXTS, reference=TEXTS)
def test_it_equals_the_package(answer, reference):
    ours = google_rouge_l(answer, reference)
    assert ours.plain == PLAIN.score(reference, answer)["rougeL"].fmeasure
    assert ours.stemmed == STEMMED.score(reference, answer)["rougeL"].fmeasure


def test_nltk_is_not_imported_whole_for_its_stemmer():
    program = (
        "import sys; from llava_faba.eval.google_rouge import google_rouge_l\n"
        "assert google_rouge_l('dying skies', 'dying sky').stemmed == 1.0\n"
        "assert not any(name.partition('.')[0] in ('nltk', 'scipy') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
