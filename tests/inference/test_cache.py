"""The cache that grows in place holds what transformers' own holds."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import DynamicCache

from llava_faba.inference.cache import ROOM, closing_up, faces_of, keep_rows, layers_of, rows_of
from llava_faba.inference.describer import Describer

LAYERS, HEADS, SIZE = 2, 3, 4


def tokens(rows: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(rows, HEADS, count, SIZE), torch.randn(rows, HEADS, count, SIZE)


def stock_cache(rows: int, length: int) -> DynamicCache:
    cache = DynamicCache()
    for layer in range(LAYERS):
        cache.update(*tokens(rows, length), layer)
    return cache


def test_a_growing_cache_holds_what_transformers_cache_holds():
    torch.manual_seed(0)
    read = stock_cache(3, 7)
    rows = [2, 0, 0, 1]
    ours = rows_of(faces_of(read), rows)
    expected = [(keys[rows], values[rows]) for keys, values in layers_of(read)]
    for step in range(2 * ROOM):  # beyond the room that it begins with
        if step == 20:
            order = closing_up([0, 2, 3])
            keep_rows(ours, order)
            expected = [(keys[order], values[order]) for keys, values in expected]
        for layer, (keys, values) in enumerate(expected):
            new = tokens(len(keys), 1)
            expected[layer] = torch.cat((keys, new[0]), 2), torch.cat((values, new[1]), 2)
            for ours_now, wanted in zip(ours.update(*new, layer), expected[layer], strict=True):
                torch.testing.assert_close(ours_now, wanted, rtol=0, atol=0)
        assert ours.get_seq_length() == 8 + step


def test_what_was_read_is_not_changed_by_what_is_read_behind_it():
    read = stock_cache(1, 5)
    before = [keys.clone() for keys, _ in layers_of(read)]
    first, second = rows_of(faces_of(read), [0]), rows_of(faces_of(read), [0], 3)
    first.update(*tokens(1, 2), 0)
    second.update(*tokens(1, 1), 0)
    assert (first.get_seq_length(), second.get_seq_length()) == (7, 4)
    for (keys, _), expected in zip(layers_of(read), before, strict=True):
        torch.testing.assert_close(keys, expected, rtol=0, atol=0)


@pytest.mark.parametrize("kept", [[0, 1, 2], [0, 3, 5], [4, 5], [1], []])
def test_rows_that_stay_close_up_and_only_as_many_move_as_left(kept):
    order = closing_up(kept)
    assert sorted(order) == kept
    assert sum(place != to for to, place in enumerate(order)) == sum(place >= len(kept) for place in kept)


def test_answers_longer_than_the_room_are_those_of_generate(tiny_llava):
    from llava_faba.model.checkpoint import load

    describer = Describer(*load(tiny_llava)[:3])
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 255, (60, 60, 3), dtype=np.uint8)) for _ in range(2)]
    faces = describer.prepare_faces(pictures)
    count, prompt = ROOM + 20, describer.prompt
    answers = describer.describe_faces(faces, ["Does she smile?"], max_new_tokens=count)
    for face, (answer,) in zip(faces, answers, strict=True):
        ids = torch.tensor([prompt.before_question + prompt.question_ids("Does she smile?")])
        new = describer.model.generate(ids, images=face.pixels[None], do_sample=False, max_new_tokens=count)
        assert answer == describer.tokenizer.decode(new[0], skip_special_tokens=True).strip()
        assert new.shape[1] > ROOM
