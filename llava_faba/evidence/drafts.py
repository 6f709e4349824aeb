"""Measured motion -> a draft report: a sentence for each part of the face, with directions, sizes and sides.

A draft states only what was measured, and names the parts that were not seen. The sections of a report are ours.
"""

from llava_faba.evidence.movements import UNEVEN, Measured, limits_of, sizes_of

UNIT = "inter-ocular distances"
PARTS = (  # part, its name for both sides, for one, and its movements: movement -> words for several, for one
    (
        "mouth corners",
        ("The corners of the mouth", "The {} corner of the mouth"),
        {
            "out": ("move outwards", "moves outwards"),
            "in": ("move inwards", "moves inwards"),
            "up": ("move up", "moves up"),
            "down": ("move down", "moves down"),
        },
    ),
    (
        "brows",
        ("The brows", "The {} brow"),
        {
            "up": ("rise", "rises"),
            "down": ("are lowered", "is lowered"),
            "together": ("are drawn together", "is drawn inwards"),
        },
    ),
    ("lids", ("The eyelids", "The {} eyelid"), {"close": ("close", "closes"), "open": ("open wider", "opens wider")}),
)


def draft_report(motion: Measured) -> str:
    """Write a draft from a clip's measured motion; parts that were not seen are said to be so."""
    sentences = [sentence for part, names, words in PARTS for sentence in _of_part(part, names, words, motion)]
    sentences += _of_mouth(motion)
    blinks = motion["blink_count"]["value"]
    if blinks is not None:
        counted = {0: "No blinks are seen", 1: "One blink is seen"}.get(int(blinks), f"{int(blinks)} blinks are seen")
        sentences.append(f"{counted}.")
    return " ".join(sentences)


def _of_part(part: str, names: tuple[str, str], words: dict[str, tuple[str, str]], motion: Measured) -> list[str]:
    whole = sizes_of(part, "move", motion)
    if whole is None or None in whole.values():
        return [f"{names[0]} cannot be judged in this clip."]
    moves, rests = limits_of(part)
    if max(whole.values()) < moves:
        return [f"{names[0]} hardly move, by {max(whole.values()):.2f} {UNIT}."]
    directed = any(f"{sizes_of(part, way, motion)}" != f"{whole}" for way in words)
    ways = {way: sizes_of(part, way, motion) for way in words} if directed else {"move": whole}
    said = words | {"move": ("move", "moves")}
    difference = (whole["left"] - whole["right"]) / (whole["left"] + whole["right"])
    if min(whole.values()) < moves and abs(difference) > UNEVEN:
        side, other = ("left", "right") if difference > 0 else ("right", "left")
        one = [f"{said[way][1]} by {sizes[side]:.2f}" for way, sizes in ways.items() if sizes[side] >= moves]
        one = one or [f"moves by {whole[side]:.2f}"]
        return [
            f"{names[1].format(side)} {_joined(one)} {UNIT}.",
            f"{names[1].format(other)} hardly moves, by {whole[other]:.2f} {UNIT}.",
            _uneven(names[0], side),
        ]
    shared = {way: sizes for way, sizes in ways.items() if min(sizes.values()) >= moves}
    little = "slightly, " if len(shared) == 1 and max(whole.values()) <= rests else ""
    both = [f"{said[way][0]} {little}by {sum(sizes.values()) / 2:.2f}" for way, sizes in shared.items()]
    sentences = [f"{names[0]} {_joined(both)} {UNIT}."] if both else []
    for way, sizes in ways.items():  # what one side does alone
        alone = [side for side, size in sizes.items() if size >= moves]
        if len(alone) == 1:
            sentences.append(f"{names[1].format(alone[0])} {said[way][1]} by {sizes[alone[0]]:.2f} {UNIT}.")
    if not sentences:
        sentences.append(f"{names[0]} move by {max(whole.values()):.2f} {UNIT}.")
    if abs(difference) > UNEVEN:
        sentences.append(_uneven(names[0], "left" if difference > 0 else "right"))
    return sentences


def _of_mouth(motion: Measured) -> list[str]:
    """What lips and jaw do; a wider mouth is said by its corners already."""
    moves, _ = limits_of("mouth")
    sentences = []
    opens = sizes_of("mouth", "open", motion)[""]
    if opens is not None:
        still = "The lips hardly part." if "mouth_opening_opens" in motion else "The mouth hardly opens."
        sentences.append(still if opens < moves else f"The lips part by {opens:.2f} {UNIT}.")
    told = (("close", "mouth_opening_closes", "The lips close"), ("in", "mouth_width_narrows", "The mouth narrows"))
    for way, name, words in told:
        size = sizes_of("mouth", way, motion)[""] if name in motion else None
        if size is not None and size >= moves:
            sentences.append(f"{words} by {size:.2f} {UNIT}.")
    dropped = sizes_of("jaw", "down", motion)[""]
    if dropped is not None and dropped >= moves:
        sentences.append(f"The jaw drops by {dropped:.2f} {UNIT}.")
    return sentences


def _uneven(subject: str, side: str) -> str:
    return f"{subject} are asymmetric, with more movement on the {side} of the picture."


def _joined(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
