"""Exactly the answers and their end marks are trained on: all templates, one and two turns, both tokenizers."""

import copy
from types import SimpleNamespace

import pytest
from llava import conversation as conversation_lib
from llava.constants import IGNORE_INDEX

from llava_faba.errors import InputError
from tests.train.conftest import tiny_tokenizer

ONE = [
    {"from": "human", "value": "<image>\nWhat emotions are conveyed by this face?"},
    {"from": "gpt", "value": "The woman smiles: her eyes are narrowed."},
]
TWO = [*ONE, {"from": "human", "value": "What AUs?"}, {"from": "gpt", "value": "AU6 (cheek raiser) and AU12."}]
END_MARKS = {
    "v1": "</s>",
    "llava_v1": "</s>",
    "v1_mmtag": "</s>",
    "llava_llama_2": " </s>",
    "mistral_instruct": " </s>",
}
END_MARKS |= {"mpt": "<|im_end|>", "chatml_direct": "<|im_end|>", "llava_v0": "\n###", "plain": "\n"}


@pytest.fixture
def template(request, monkeypatch):
    monkeypatch.setattr(conversation_lib, "default_conversation", conversation_lib.conv_templates[request.param])
    return request.param


def trained_texts(labels, tokenizer) -> list[str]:
    """The runs of labels that are not ignored, decoded."""
    runs, run = [], []
    for label in [*labels.tolist(), IGNORE_INDEX]:
        if label != IGNORE_INDEX:
            run.append(label)
        elif run:
            runs.append(tokenizer.decode(run).lstrip(" "))
            run = []
    return runs


@pytest.mark.parametrize(
    ("template", "turns"),
    [(name, turns) for name in END_MARKS for turns in (1, 2) if (name, turns) != ("plain", 2)],  # plain has one turn
    indirect=["template"],
)
def test_exactly_the_answers_and_their_end_marks_are_trained_on(template, turns, tokenizer):
    from llava_faba.train.masks import encode

    conversation = ONE if turns == 1 else TWO
    ids, labels = encode(conversation, tokenizer, "face-1")
    answers = [turn["value"] + END_MARKS[template] for turn in conversation[1::2]]
    assert trained_texts(labels, tokenizer) == answers
    assert ((labels == ids) | (labels == IGNORE_INDEX)).all()


@pytest.mark.parametrize("template", ["v1", "llava_llama_2", "mpt", "llava_v0", "plain"], indirect=True)
@pytest.mark.parametrize("turns", [1, 2])
def test_the_tokens_are_llavas_own(template, turns, tokenizer):
    from llava.train.train import preprocess

    from llava_faba.train.masks import encode

    conversation = ONE if turns == 1 or template == "plain" else TWO
    stock = preprocess([copy.deepcopy(conversation)], tokenizer, has_image=True)
    assert encode(conversation, tokenizer, "face-1")[0].tolist() == stock["input_ids"][0].tolist()


def test_where_llavas_own_mask_is_right_ours_is_the_same(tokenizer):
    """One turn of the template v1, on a vocabulary like Llama's: the loss of a stock run does not change."""
    from llava.train.train import preprocess

    from llava_faba.train.masks import encode

    stock = preprocess([copy.deepcopy(ONE)], tokenizer, has_image=True)
    labels = encode(ONE, tokenizer, "face-1")[1]
    assert (labels != IGNORE_INDEX).any()
    assert labels.tolist() == stock["labels"][0].tolist()


def test_llavas_own_mask_of_two_turns_loses_the_sample_without_legacy(tmp_path):
    """What masks.py is for; when this fails, LLaVA's own masks may do."""
    from llava.train.train import preprocess

    tokenizer = tiny_tokenizer(tmp_path, legacy=False)
    stock = preprocess([copy.deepcopy(TWO)], tokenizer, has_image=True)
    assert (stock["labels"][0] == IGNORE_INDEX).all()


def test_an_answer_with_the_templates_own_words_is_trained_on_whole(tokenizer):
    from llava_faba.train.masks import encode

    answer = "USER: what? ASSISTANT: nothing. [/INST] ### Human: AU4"
    labels = encode([ONE[0], {"from": "gpt", "value": answer}], tokenizer, "face-1")[1]
    assert trained_texts(labels, tokenizer) == [answer + "</s>"]


class CharacterTokenizer:
    """A token a character, `</s>` no exception; `backwards` splits a text from its end, in pairs of characters."""

    eos_token, eos_token_id, bos_token_id = "</s>", 2, 1

    def __init__(self, backwards: bool):
        self.backwards = backwards

    def __call__(self, text):
        first = len(text) % 2
        pairs = [text[:first], *(text[i : i + 2] for i in range(first, len(text), 2))]
        return SimpleNamespace(
            input_ids=[1, *(hash(pair) for pair in pairs)] if self.backwards else [1, *map(ord, text)]
        )


@pytest.mark.parametrize(("backwards", "complaint"), [(False, "end with token 62"), (True, "83 of 110 tokens")])
def test_a_tokenizer_that_does_not_suit_the_template_is_refused_with_the_samples_id(backwards, complaint):
    from llava_faba.train.masks import encode

    odd = [ONE[0], {"from": "gpt", "value": "Glad"}]
    with pytest.raises(InputError, match="'face-7'.*" + complaint):
        encode(odd, CharacterTokenizer(backwards), "face-7")
