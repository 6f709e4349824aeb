"""An order by length: every sample once, less padding, and the seed's alone."""

import pytest
import torch

from llava_faba.train.order import LikeLengths

LENGTHS = torch.randint(20, 300, (403,), generator=torch.Generator().manual_seed(0)).tolist()


def order(lengths=LENGTHS, seed=0, step_size=8, steps=50):
    torch.manual_seed(seed)
    return list(LikeLengths(lengths, step_size, steps))


def padding(places, batch=8):
    """The share of positions that are padding when so many samples in a row share a batch."""
    batches = [[LENGTHS[place] for place in places[at : at + batch]] for at in range(0, len(places), batch)]
    return 1 - sum(map(sum, batches)) / sum(max(batch) * len(batch) for batch in batches)


def test_every_sample_comes_once_and_the_order_is_the_seeds():
    assert sorted(order()) == list(range(len(LENGTHS)))
    assert order() == order() != order(seed=1)


def test_little_is_padding_where_it_was_two_fifths():
    shuffled = torch.randperm(len(LENGTHS), generator=torch.Generator().manual_seed(0)).tolist()
    assert padding(order()) < 0.06 < 0.3 < padding(shuffled)


def test_the_longest_sample_is_in_the_first_step_and_the_others_are_shuffled():
    places = order()
    longest = [max(LENGTHS[place] for place in places[at : at + 8]) for at in range(0, 400, 8)]
    assert longest[0] == max(LENGTHS)
    assert longest[1:] != sorted(longest[1:]) and longest[1:] != sorted(longest[1:], reverse=True)


@pytest.mark.parametrize("text", [0, 5, 8, 403])
def test_text_alone_shares_no_step_with_images_but_the_last_ones(text):
    lengths = [-length if number < text else length for number, length in enumerate(LENGTHS)]
    places = order(lengths)
    assert sorted(places) == list(range(len(LENGTHS)))
    whole = text // 8 + (403 - text) // 8
    kinds = [{lengths[place] > 0 for place in places[at : at + 8]} for at in range(0, 8 * whole, 8)]
    assert all(len(kind) == 1 for kind in kinds)
