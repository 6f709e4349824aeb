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
    """The keys, or the values, of one layer: a buffer of which the first positions of each row are filled.

    `like` (any, heads, positions, head size) says what it is made for; the rows are put in one after another.
    """

    def __init__(self, rows: int, like: Tensor):
        _, heads, self.length, size = like.shape
        self._buffer = like.new_empty(rows, heads, self.length + ROOM, size)

    def put(self, begin: int, rows: Tensor) -> None:
        """Make `rows` (n, heads, positions, head size) the rows from `begin` on."""
        self._buffer[begin : begin + len(rows), :, : self.length] = rows

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


def faces_of(cache: Any) -> list[list[Layer]]:
    """The layers of each row of a cache, as views of it."""
    layers = layers_of(cache)
    rows = [slice(row, row + 1) for row in range(len(layers[0][0]))]
    return [[(keys[row], values[row]) for keys, values in layers] for row in rows]


class Reading(cache_utils.DynamicCache):
    """What a model writes its keys and values into while it reads faces, some rows at a time; `done` is what was read.

    `begin` is the first of the rows that are read next. Nothing precedes what they read.
    """

    def __init__(self, rows: int):
        super().__init__()
        self.rows, self.begin, self._whole = rows, 0, _Cache()

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> Layer:
        growing = self._whole.growing
        if layer_idx == len(growing):
            growing.append((Growing(self.rows, key_states), Growing(self.rows, value_states)))
        for tensors, new in zip(growing[layer_idx], (key_states, value_states), strict=True):
            tensors.put(self.begin, new)
        return key_states, value_states

    def done(self) -> Any:
        """The growing cache of all rows."""
        self._whole.show()
        return self._whole


def rows_of(faces: Sequence[Sequence[Layer]], rows: Sequence[int], length: int | None = None) -> Any:
    """A growing cache with a copy of the faces `rows`, which may repeat, and of their first `length` positions."""
    reading = Reading(len(rows))
    for row in rows:
        for number, (keys, values) in enumerate(faces[row]):
            reading.update(keys[:, :, :length], values[:, :, :length], number)
        reading.begin += 1
    return reading.done()


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

        def __init__(self) -> None:
            super().__init__()
            self.growing: list[tuple[Growing, Growing]] = []

        def show(self) -> None:
            """Let the layers show what is filled now."""
            self.layers = [_Layer(layer) for layer in self.growing]
            for layer in self.layers:
                layer.keys, layer.values = (tensors.filled for tensors in layer.growing)

else:

    class _Cache(cache_utils.DynamicCache):  # type: ignore[no-redef]
        """The layers of a model, for transformers 4.37."""

        def __init__(self) -> None:
            super().__init__()
            self.growing: list[tuple[Growing, Growing]] = []

        def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, cache_kwargs: Any = None) -> Layer:
            keys, values = self.growing[layer_idx]
            self.key_cache[layer_idx] = keys.append(key_states)
            self.value_cache[layer_idx] = values.append(value_states)
            return self.key_cache[layer_idx], self.value_cache[layer_idx]

        def show(self) -> None:
            """Show what is filled now."""
            self.key_cache = [keys.filled for keys, _ in self.growing]
            self.value_cache = [values.filled for _, values in self.growing]
