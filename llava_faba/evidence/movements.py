"""What a clip's measures say of a movement: which of them show it, how far it went, and from where on it counts.

A movement is a part of the face and what it does there ("mouth corners", "up"). Each has its own measure, a side each
where there are sides, so that a frown is no smile. The limits are displacements in inter-ocular distances: ours, above
what dlib's fits scatter at rest and not from any population.
"""

from collections.abc import Mapping
from typing import Any

MOVES, RESTS = 0.04, 0.08  # from the first on a part moves; up to the second it "hardly" or "slightly" does
LID_MOVES, LID_RESTS = 0.03, 0.06  # lids travel less
UNEVEN = 0.15  # |left - right| / (left + right) above which a movement is uneven
SIDES = ("left", "right")

Measured = Mapping[str, Mapping[str, Any]]  # name -> {"value", "unit"}, as motion/measures.py makes it

# (part, movement) -> the measure's name, {} being the side; "move" is the whole amplitude.
MEASURES = {
    ("mouth corners", "move"): "mouth_corner_{}_amplitude",
    ("mouth corners", "up"): "mouth_corner_{}_up",
    ("mouth corners", "down"): "mouth_corner_{}_down",
    ("mouth corners", "out"): "mouth_corner_{}_out",
    ("mouth corners", "in"): "mouth_corner_{}_in",
    ("brows", "move"): "brow_{}_amplitude",
    ("brows", "up"): "brow_{}_up",
    ("brows", "down"): "brow_{}_down",
    ("brows", "together"): "brow_inner_{}_in",
    ("inner brows", "move"): "brow_inner_{}_amplitude",
    ("inner brows", "up"): "brow_inner_{}_up",
    ("inner brows", "down"): "brow_inner_{}_down",
    ("inner brows", "together"): "brow_inner_{}_in",
    ("outer brows", "move"): "brow_outer_{}_amplitude",
    ("outer brows", "up"): "brow_outer_{}_up",
    ("outer brows", "down"): "brow_outer_{}_down",
    ("lids", "move"): "lid_{}_amplitude",
    ("lids", "open"): "lid_{}_opens",
    ("lids", "close"): "lid_{}_closes",
    ("mouth", "move"): "mouth_opening_amplitude",
    ("mouth", "open"): "mouth_opening_opens",
    ("mouth", "close"): "mouth_opening_closes",
    ("mouth", "out"): "mouth_width_widens",
    ("mouth", "in"): "mouth_width_narrows",
    ("upper lip", "move"): "upper_lip_amplitude",
    ("upper lip", "up"): "upper_lip_up",
    ("upper lip", "down"): "upper_lip_down",
    ("lower lip", "move"): "lower_lip_amplitude",
    ("lower lip", "up"): "lower_lip_up",
    ("lower lip", "down"): "lower_lip_down",
    ("jaw", "move"): "jaw_amplitude",
    ("jaw", "up"): "jaw_up",
    ("jaw", "down"): "jaw_down",
}


def limits_of(part: str) -> tuple[float, float]:
    """Return from where on a part moves, and up to where it hardly does."""
    return (LID_MOVES, LID_RESTS) if part == "lids" else (MOVES, RESTS)


def sizes_of(part: str, movement: str, motion: Measured) -> dict[str, float | None] | None:
    """Return how far a part went in a movement: side ("" where there is none) -> distance, None where not measured.

    None where no measure shows this movement. Where a record has amplitudes alone, these stand for every direction.
    """
    name = MEASURES.get((part, movement))
    if name is None:
        return None
    whole = MEASURES[part, "move"]
    found = {}
    for side in SIDES if "{}" in name else ("",):
        measured = motion.get(name.format(side), motion.get(whole.format(side)))
        found[side] = None if measured is None else measured["value"]
    return found
