"""The keys and values that a model has read, kept in buffers with room to grow: a new token is written, not copied.

transformers' own cache is copied whole for every new token (torch.cat). Here each layer has a buffer with room behind
its last position, and the model sees a view of what is filled. Rows that are done leave by moving a row at most.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers import cache_utils

Layer = tuple[Tensor, Tensor]  # keys and values, each (rows, heads, positions, head size)
ROOM = 64  # positions that a buffer grows by, at least


class Growing:
    """The keys, or the values, of one layer: a buffer of which the first rows and positions are filled."""

    def __init__(self, read: Tensor, rows: Sequence[int]):
        self.length = read.shape[2]
        self._buffer = read.new_empty(len(rows), read.shape[1], self.length + ROOM, read.shape[3])
        for to, row in enumerate(rows):
            self._buffer[to, :, : self.length] = read[row]

    @property
    def filled(self) -> Tensor:
        """A view of what is filled: (rows, heads, positions, head size)."""
        return self._buffer[:, :, : self.length]

    def append(self, new: Tensor) -> Tensor:
        """Write `new` (rows, heads, n, head size) behind the last position; return what is filled."""
        end = self.length + new.shape[2]
        if end > self._buffer.shape[2]:
            room = max(ROOM, end // 4)  # so that copies stay rare however long the answer is
            grown = self._buffer.new_empty(*self._buffer.shape[:2], end + room, self._buffer.shape[3])
            grown[:, :, : self.length] = self.filled
            self._buffer = grown
        self._buffer[:, :, self.length : end] = new
        self.length = end
        return self.filled

    def keep(self, order: Sequence[int]) -> None:
        """Make row `order[i]` row i, for each i; rows that are not named leave. Each row moves forward or stays."""
        for to, place in enumerate(order):
            if place != to:
                self._buffer[to, :, : self.length] = self._buffer[place, :, : self.length]
        self._buffer = self._buffer[: len(order)]


def layers_of(cache: Any) -> list[Layer]:
    """The layers of a cache, whatever the transformers: pairs of tensors up to 4.37, objects since."""
    if hasattr(cache, "layers"):
        return [(layer.keys, layer.values) for layer in cache.layers]
    return [(keys, values) for keys, values in cache]


def rows_of(cache: Any, rows: Sequence[int], length: int | None = None) -> Any:
    """A growing cache with a copy of each of `rows`, which may repeat, and of their first `length` positions."""
    grown = _Cache()
    grown.growing = [
        (Growing(keys[:, :, :length], rows), Growing(values[:, :, :length], rows)) for keys, values in layers_of(cache)
    ]
    grown.show()
    return grown


def keep_rows(cache: Any, order: Sequence[int]) -> None:
    """Make row `order[i]` of a growing cache row i, in place; `order` is one that `closing_up` returns."""
    for layer in cache.growing:
        for tensors in layer:
            tensors.keep(order)
    cache.show()


def closing_up(kept: Sequence[int]) -> list[int]:
    """Put kept rows into the places of those that left, moving as few as can be.

    >>> closing_up([0, 2, 3])  # row 1 left
    [0, 3, 2]
    """
    count = len(kept)
    order = list(range(count))
    holes = [place for place in range(count) if place not in kept]
    for hole, place in zip(holes, [place for place in kept if place >= count], strict=True):
        order[hole] = place
    return order


if hasattr(cache_utils, "DynamicLayer"):

    class _Layer(cache_utils.DynamicLayer):
        """A layer of transformers 5 whose keys and values grow in place."""

        def __init__(self, growing: tuple[Growing, Growing]):
            super().__init__()
            self.growing, self.is_initialized = growing, True
            self.dtype, self.device = growing[0].filled.dtype, growing[0].filled.device

        def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> Layer:
            keys, values = self.growing
            self.keys, self.values = keys.append(key_states), values.append(value_states)
            return self.keys, self.values

    class _Cache(cache_utils.DynamicCache):
        """The layers of a model."""

        growing: list[tuple[Growing, Growing]]

        def show(self) -> None:
            """Let the layers show what is filled now."""
            self.layers = [_Layer(layer) for layer in self.growing]
            for layer in self.layers:
                layer.keys, layer.values = (tensors.filled for tensors in layer.growing)

else:

    class _Cache(cache_utils.DynamicCache):  # type: ignore[no-redef]
        """The layers of a model, for transformers 4.37."""

        growing: list[tuple[Growing, Growing]]

        def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, cache_kwargs: Any = None) -> Layer:
            keys, values = self.growing[layer_idx]
            self.key_cache[layer_idx] = keys.append(key_states)
            self.value_cache[layer_idx] = values.append(value_states)
            return self.key_cache[layer_idx], self.value_cache[layer_idx]

        def show(self) -> None:
            """Show what is filled now."""
            self.key_cache = [keys.filled for keys, _ in self.growing]
            self.value_cache = [values.filled for _, values in self.growing]
