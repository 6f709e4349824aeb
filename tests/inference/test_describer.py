"""Answers about faces: the same tokens whatever the batch, the questions beside, and the way there."""

import numpy as np
import pytest
import torch
from PIL import Image

import llava_faba
from llava_faba.errors import InputError
from llava_faba.inference.describer import Describer
from tests.tiny import P, prior_model

QUESTIONS = ["What emotions are conveyed by this face?", "What AUs are conveyed by this face?", "Who?"]


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
    return Describer(tokenizer, model, processor, batch_size=4)


@pytest.fixture(scope="module")
def faces(describer):
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 255, (90 + n, 100, 3), dtype=np.uint8)) for n in range(7)]
    return describer.prepare_faces(pictures, [(random.normal(0, 3, P).astype(np.float32), True) for _ in pictures])


def test_shared_prefix_answers_are_those_of_generate(describer, faces):
    """The library's own loop, one face and one question at a time, is the reference."""
    ours = describer.describe_faces(faces, QUESTIONS, max_new_tokens=20)
    for face, answers in zip(faces, ours, strict=True):
        for question, answer in zip(QUESTIONS, answers, strict=True):
            before, behind = describer.prompt.before_question, describer.prompt.question_ids(question)
            ids = torch.tensor([before + behind])
            new = describer.model.generate(
                ids,
                images=face.pixels[None],
                facial_priors=torch.from_numpy(face.prior)[None],
                do_sample=False,
                max_new_tokens=20,
            )
            assert answer == describer.tokenizer.decode(new[0], skip_special_tokens=True).strip()
    assert len({tuple(answers) for answers in ours}) > 1


def test_batched_answers_equal_one_at_a_time(describer, faces):
    alone = [describer.describe_faces([face], [q], max_new_tokens=30)[0][0] for face in faces for q in QUESTIONS]
    together = describer.describe_faces(faces, QUESTIONS, max_new_tokens=30)
    assert [text for texts in together for text in texts] == alone


def test_an_answer_may_be_stopped_by_its_reader(describer, faces):
    prefix = describer.prefill(faces[:2])
    seen = []
    describer.answer(prefix, QUESTIONS[:1], max_new_tokens=10, on_token=lambda row, token: seen.append(row) or row != 0)
    assert seen.count(0) == 1 and seen.count(1) > 1
    again = describer.answer(prefix, QUESTIONS[:1], max_new_tokens=10)  # the prefix is as it was
    assert again == describer.answer(describer.prefill(faces[:2]), QUESTIONS[:1], max_new_tokens=10)


def test_a_face_that_was_not_read_has_no_answer(describer, faces):
    from dataclasses import replace

    unread = replace(faces[1], is_read=False)
    answers = describer.describe_faces([faces[0], unread, faces[2]], QUESTIONS[:1], max_new_tokens=5)
    assert answers[1] == [None]
    assert answers[0][0] is not None and answers[2][0] is not None


def test_describe_takes_a_path_and_gives_a_text_a_task(tiny_llava, tmp_path):
    Image.new("RGB", (64, 64), "white").save(tmp_path / "face.png")
    described = llava_faba.describe(tmp_path / "face.png", tiny_llava, max_new_tokens=4)
    assert set(described) == {"emotion", "au"}
    several = llava_faba.describe([tmp_path / "face.png"] * 2, tiny_llava, tasks=["au"], max_new_tokens=4)
    assert several == [{"au": described["au"]}] * 2


def test_an_unknown_task_is_refused(tiny_llava):
    with pytest.raises(InputError, match="no task 'mood'"):
        llava_faba.describe(np.zeros((8, 8, 3), np.uint8), tiny_llava, tasks=["mood"])


def test_an_unknown_template_is_refused(describer):
    with pytest.raises(InputError, match="no conversation template 'v9'"):
        Describer(describer.tokenizer, describer.model, describer.image_processor, conversation="v9")
