"""One claim of a text about a face: a movement, an action unit, an emotion, or that left and right are alike."""

from dataclasses import dataclass

PARTS = (  # of the face, as claims name them
    *("brows", "inner brows", "outer brows", "lids", "cheeks", "nose", "mouth corners", "upper lip", "lower lip"),
    *("lips", "mouth", "jaw", "chin"),
)
MOVEMENTS = (  # what a part does; "move": it is only said that it moves (or not)
    *("up", "down", "out", "in", "together", "wide", "narrow", "close", "open", "press", "tight", "stretch", "pucker"),
    *("wrinkle", "dimple", "move"),
)

AU_MOVEMENTS = {  # AU -> the part that it moves, and how
    **{1: ("inner brows", "up"), 2: ("outer brows", "up"), 4: ("brows", "down")},
    **{5: ("lids", "wide"), 6: ("cheeks", "up"), 7: ("lids", "narrow"), 43: ("lids", "close"), 45: ("lids", "close")},
    **{9: ("nose", "wrinkle"), 10: ("upper lip", "up"), 16: ("lower lip", "down"), 17: ("chin", "up")},
    **{12: ("mouth corners", "up"), 14: ("mouth corners", "dimple"), 15: ("mouth corners", "down")},
    **{18: ("lips", "pucker"), 20: ("lips", "stretch"), 23: ("lips", "tight"), 24: ("lips", "press")},
    **{25: ("lips", "open"), 26: ("jaw", "open"), 27: ("mouth", "open")},
}


@dataclass(frozen=True)
class Claim:
    """One thing that a text says of a face.

    "Her left eyebrow is slightly raised, without a smile." holds two:

        Claim("movement", True, aus=(1, 2), part="brows", movement="up", degree="slight", side="left")
        Claim("movement", False, aus=(12,), part="mouth corners", movement="up")

    A claim about left and right has `symmetric` set, and the part that it is bound to; it is never denied: "the smile
    is not symmetrical" is Claim("symmetry", True, part="mouth corners", symmetric=False).
    """

    kind: str  # "au" (by number or FACS name), "movement" (a part and what it does), "symmetry", "emotion"
    present: bool | None  # affirmed or denied; None where it is left open ("it is unclear whether AU4 is active")
    aus: tuple[int, ...] = ()  # one of these is meant
    part: str = ""  # one of PARTS, "" for emotions and AUs of no one part
    movement: str = ""  # one of MOVEMENTS
    emotion: str = ""  # one of vocabulary.EMOTIONS
    degree: str = ""  # "slight", "little" (no more than slight), "strong" or not said
    side: str = ""  # "left", "right", "one", "both" or not said
    symmetric: bool | None = None  # whether left and right are said to be alike; None where it is not said
    start: int = 0  # of the words in the text
    end: int = 0

    @property
    def slight(self) -> bool:
        """Whether the movement is said to be small."""
        return self.degree in ("slight", "little")

    @property
    def one_side(self) -> bool:
        """Whether one side of the face is named."""
        return self.side not in ("", "both")
