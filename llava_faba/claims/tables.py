"""A table whose header names action units -> what stands below each: `| AU1 | AU4 |` over `| no | yes |`."""

import re
from collections.abc import Sequence

from llava_faba.claims.action_units import Named
from llava_faba.claims.text import Sentence
from llava_faba.claims.values import value_behind

_RULE = re.compile(r"\s*\|?(?:\s*:?[-\u2013]+:?\s*\|)+(?:\s*:?[-\u2013]+:?\s*)?")


def values_below(lines: Sequence[tuple[str, int, bool]], number: int, own: Sequence[Named]) -> list[bool] | None:
    """Return for each AU in the header line `number` the value in its column; None where it is no such header.

    `lines` are those of `lines_of`. A header holds one AU a column, two of them at least, above a rule of dashes. The
    first row below that has a value for each of them counts.
    """
    line, start, _ = lines[number]
    if len(own) < 2 or number + 2 >= len(lines) or not _RULE.fullmatch(lines[number + 1][0]):
        return None
    columns = [line.count("|", 0, one.start - start) for one in own]
    if len(set(columns)) < len(columns):
        return None
    shift = not line.lstrip().startswith("|")  # without a bar before the first cell
    for row, _, _ in lines[number + 2 :]:
        if "|" not in row:
            break
        cells = row.split("|")
        first = int(shift) - int(not row.lstrip().startswith("|"))
        places = [column + first for column in columns]
        values = [_value(cells[place]) if place < len(cells) else None for place in places]
        if None not in values:
            return [bool(value) for value in values]
    return None


def _value(cell: str) -> bool | None:
    sentence = Sentence(f"| {cell.strip()} |", 0)
    sentence.split()
    return value_behind(sentence.words, -1, len(sentence.words))
