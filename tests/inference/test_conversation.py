"""Conversations about a face: every answer is that of the whole prompt, whatever the cache already held."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from llava_faba.errors import InputError
from llava_faba.faces import Turn
from llava_faba.inference.conversation import Conversation
from llava_faba.inference.describer import Describer
from tests.tiny import P, prior_model

QUESTIONS = ["What emotions are conveyed by this face?", "Why?", "What AUs are conveyed by this face?"]


@pytest.fixture(scope="module")
def describer(tiny_llava):
    """A tiny model with a prior, louder than at its start so that faces differ."""
    from llava_faba.model.checkpoint import load

    tokenizer, _, processor, _ = load(tiny_llava)
    model = prior_model(tiny_llava)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "self_attn" in name or "projector" in name:
                parameter.mul_(5)
    return Describer(tokenizer, model, processor)


@pytest.fixture(scope="module")
def face(describer):
    random = np.random.default_rng(0)
    picture = Image.fromarray(random.integers(0, 255, (90, 100, 3), dtype=np.uint8))
    return describer.prepare_faces([picture], [(random.normal(0, 3, P).astype(np.float32), True)])[0]


def last(answers) -> str:
    return list(answers)[-1]


def by_generate(describer, face, earlier, question, n=16) -> str:
    """The library's own loop over LLaVA's own prompt, without a cache."""
    before = describer.prompt.before_question
    ids = torch.tensor([before + describer.prompt.question_ids(question, [(t.question, t.answer) for t in earlier])])
    new = describer.model.generate(
        ids,
        images=face.pixels[None],
        facial_priors=torch.from_numpy(face.prior)[None],
        do_sample=False,
        max_new_tokens=n,
    )
    return describer.tokenizer.decode(new[0], skip_special_tokens=True).strip().rstrip("\ufffd")


def test_follow_ups_over_the_cache_equal_generate_over_the_whole_prompt(describer, face):
    talk, turns = Conversation(describer, face), []
    for question in QUESTIONS:
        answer = last(talk.ask(question, turns, max_new_tokens=16))
        assert answer == by_generate(describer, face, turns, question)
        turns.append(Turn(question, answer))
    assert talk.reused > 20  # the third question found the first turn in the cache


def test_a_cache_of_another_history_is_cut_back_to_what_is_shared(describer, face):
    talk = Conversation(describer, face)
    last(talk.ask(QUESTIONS[0], max_new_tokens=16))
    turns = [Turn("Who is this?", "Nobody.")]
    assert last(talk.ask(QUESTIONS[1], turns, max_new_tokens=16)) == by_generate(describer, face, turns, QUESTIONS[1])
    assert last(talk.ask(QUESTIONS[0], max_new_tokens=16)) == by_generate(describer, face, [], QUESTIONS[0])


def test_a_stopped_answer_leaves_the_conversation_usable(describer, face):
    talk = Conversation(describer, face)
    stopped = talk.ask(QUESTIONS[0], max_new_tokens=16)
    partial = next(stopped)
    stopped.close()
    turns = [Turn(QUESTIONS[0], partial)]
    assert last(talk.ask(QUESTIONS[1], turns, max_new_tokens=16)) == by_generate(describer, face, turns, QUESTIONS[1])


def test_an_answer_grows(describer, face):
    parts = list(Conversation(describer, face).ask(QUESTIONS[0], max_new_tokens=16))
    assert len(parts) > 1
    assert all(len(shorter) < len(longer) for shorter, longer in pairwise(parts))


def test_a_conversation_that_is_too_long_is_refused(describer, face):
    with pytest.raises(InputError, match="positions"):
        last(Conversation(describer, face).ask("Why? " * 2000))


def test_a_streamed_answer_is_that_of_answer_greedily(describer, face):
    from llava_faba.inference.decoding import answer_greedily, stream_greedily

    prefix = describer.prefill([face])
    for question in QUESTIONS:
        ids = describer.prompt.question_ids(question)
        options = {"end": describer.tokenizer.eos_token_id, "max_new_tokens": 12}
        streamed = list(stream_greedily(describer.model, prefix, ids, **options))
        assert streamed == answer_greedily(describer.model, prefix, [ids], **options)[0] and streamed
