"""The words for parts of a face and for what they do, and which action units a part that does so means.

A part and a direction are read apart and joined in phrases.py: no list of whole phrases could be complete.
"""

from typing import NamedTuple

PART_WORDS = {
    **dict.fromkeys(("brow", "brows", "eyebrow", "eyebrows"), "brows"),
    "forehead": "forehead",
    **dict.fromkeys(("lid", "lids", "eyelid", "eyelids"), "lids"),
    **dict.fromkeys(("eye", "eyes", "eyed"), "eyes"),
    **dict.fromkeys(("cheek", "cheeks"), "cheeks"),
    **dict.fromkeys(("nose", "nostrils"), "nose"),
    **dict.fromkeys(("mouth", "mouthed"), "mouth"),
    **dict.fromkeys(("lip", "lips"), "lips"),
    **dict.fromkeys(("corner", "corners"), "corners"),
    **dict.fromkeys(("jaw", "jaws"), "jaw"),
    "chin": "chin",
    **dict.fromkeys(("smile", "smiles"), "smile"),
}
# What else may be raised, open or turned: a direction beside one of these says nothing about the face.
OTHER_PARTS = frozenset(
    "gaze look head hair face glasses hat hand hands arm arms shoulder shoulders neck door window camera background "
    "collar beard ear ears eyeglasses stare glance body pupils iris lighting light shadow shadows he she they person "
    "man woman skin moustache mustache".split()
)


def _tags(**words: str) -> dict[str, str]:
    return {word: tag for tag, listed in words.items() for word in listed.split()}


MOVEMENT_WORDS = _tags(
    up="raised raise raises raising lifted lift lifts lifting upturned upward upwards up rise rises rising risen rose "
    "elevated elevate elevates elevating elevation arched arch arches arching uplifted high",
    down="lowered lowers lowering down downward downwards downturned depressed droop droops drooped drooping droopy "
    "dropped drops drop dropping sag sags sagging sagged downcast low",
    together="furrowed furrow furrowing furrows knit knits knitted knitting together contracted contract contracts "
    "contracting contraction creased crease creases creasing pinched scrunched bunched scowling",
    wide="wide widened widen widens widening enlarged bulging",
    narrow="narrowed narrow narrows narrowing squinted squint squints squinting",
    close="closed close closes closing closure shut shuts sealed",
    squeeze="squeezed squeeze squeezing",
    open="open opened opens opening part parts parted parting agape apart ajar gaping gap gapes",
    press="pressed press presses pressing compressed",
    tight="tension tight tightened tighten tightens tightening tense tensed taut",
    stretch="stretched stretch stretches stretching",
    pucker="puckered pucker puckers puckering pursed purse purses pursing",
    wrinkle="wrinkled wrinkle wrinkles wrinkling crinkled crinkles crinkling scrunch scrunches scrunching",
    curl="curl curls curled curling",
    out="outward outwards back sideways",
    hang="hangs hang hanging hung slack",
    move="move moves moved moving movement movements motion mobile",
    rest="relaxed neutral rest resting unmoved smooth motionless immobile still unfurrowed normal flat",
)
# Nouns of movement, which "of", "in" and "around" join to a part: "a slight downward pull of the brows".
NOUNS = frozenset(
    "raising raise lifting lift elevation rise lowering drop drooping droop sagging furrowing furrow furrows crease "
    "creases creasing knitting contraction widening narrowing squinting closure closing opening parting gap pressing "
    "tightening stretching puckering wrinkling wrinkle wrinkles curl curling movement movements motion arch arching "
    "scrunching pull turn tension".split()
)
CARRIERS = frozenset(
    "pull pulled pulls pulling turn turned turns draw drawn draws point points go goes push pushed".split()
)


class Meaning(NamedTuple):
    """What a part and a movement mean."""

    aus: tuple[int, ...]  # one of these is meant; the first is the one that `strict` takes
    part: str
    movement: str
    present: bool = True
    all: bool = False  # `strict` takes all of the AUs, not the first


_OPEN, _SMILE = Meaning((25, 26, 27), "mouth", "open"), Meaning((12,), "mouth corners", "up")
_SHUT_MOUTH = Meaning((25, 26, 27), "mouth", "open", False)
_FURROW, _NARROW = Meaning((4,), "brows", "down"), Meaning((7, 43), "lids", "narrow")
_CORNERS_DOWN = Meaning((15,), "mouth corners", "down")
_WIDE, _CLOSED = Meaning((5,), "lids", "wide"), Meaning((43,), "lids", "close")
_JAW, _NOSE, _CHIN = Meaning((26, 27), "jaw", "open"), Meaning((9,), "nose", "wrinkle"), Meaning((17,), "chin", "up")
_PRESS, _UPPER_LIP = Meaning((24,), "lips", "press"), Meaning((10,), "upper lip", "up")
_PUCKER, _STRETCH = Meaning((18,), "lips", "pucker"), Meaning((20,), "lips", "stretch")

MEANINGS: dict[tuple[str, str], tuple[Meaning, ...]] = {
    ("brows", "up"): (Meaning((1, 2), "brows", "up", all=True),),
    ("inner brows", "up"): (Meaning((1,), "inner brows", "up"),),
    ("outer brows", "up"): (Meaning((2,), "outer brows", "up"),),
    **{(part, tag): (_FURROW,) for part in ("brows", "inner brows", "outer brows") for tag in ("down", "together")},
    **{(part, "wrinkle"): (_FURROW,) for part in ("brows", "inner brows")},
    **{("forehead", tag): (_FURROW,) for tag in ("together", "down")},
    ("brows", "move"): (Meaning((1, 2, 4), "brows", "move"),),
    ("brows", "rest"): (Meaning((1, 2, 4), "brows", "move", False),),
    ("forehead", "rest"): (Meaning((1, 2, 4), "brows", "move", False),),
    **{(part, "wide"): (_WIDE,) for part in ("eyes", "lids", "upper lids")},
    **{(part, "up"): (_WIDE,) for part in ("lids", "upper lids")},
    ("lower lids", "up"): (Meaning((7,), "lids", "narrow"),),
    **{(part, tag): (_NARROW,) for part in ("eyes", "lids", "lower lids") for tag in ("narrow", "tight")},
    **{(part, "down"): (_NARROW,) for part in ("lids", "upper lids")},
    **{(part, tag): (_CLOSED,) for part in ("eyes", "lids", "upper lids") for tag in ("close", "squeeze")},
    **{(part, "open"): (Meaning((43,), "lids", "close", False),) for part in ("eyes", "lids")},
    ("lids", "move"): (Meaning((5, 7, 43), "lids", "move"),),
    ("cheeks", "up"): (Meaning((6,), "cheeks", "up"),),
    ("cheeks", "rest"): (Meaning((6,), "cheeks", "up", False),),
    **{("nose", tag): (_NOSE,) for tag in ("wrinkle", "together")},
    **{("mouth corners", tag): (_SMILE,) for tag in ("up", "out", "curl")},
    ("mouth corners", "down"): (_CORNERS_DOWN,),
    ("mouth corners", "move"): (Meaning((12, 15), "mouth corners", "move"),),
    ("mouth corners", "rest"): (Meaning((12, 15), "mouth corners", "move", False),),
    **{(part, "up"): (_SMILE,) for part in ("mouth", "lips")},
    **{(part, "down"): (_CORNERS_DOWN,) for part in ("mouth", "lips")},
    **{(part, "open"): (_OPEN,) for part in ("mouth", "lips")},
    **{("mouth", tag): (_OPEN,) for tag in ("hang", "wide")},
    ("mouth", "move"): (Meaning((25, 26, 27, 12, 15), "mouth", "move"),),
    **{(part, "close"): (_SHUT_MOUTH,) for part in ("mouth", "lips")},
    **{(part, "press"): (_PRESS,) for part in ("mouth", "lips")},
    ("lips", "tight"): (Meaning((23, 24), "lips", "tight"),),
    **{(part, "stretch"): (_STRETCH,) for part in ("lips", "mouth")},
    **{(part, "pucker"): (_PUCKER,) for part in ("lips", "mouth")},
    **{("upper lip", tag): (_UPPER_LIP,) for tag in ("up", "curl")},
    ("lower lip", "down"): (Meaning((16,), "lower lip", "down"),),
    **{("jaw", tag): (_JAW,) for tag in ("down", "open", "hang")},
    **{("chin", tag): (_CHIN,) for tag in ("up", "wrinkle", "pucker")},
}
# Words that name a part and its movement in one.
ALONE: dict[str, tuple[Meaning, ...]] = {
    **dict.fromkeys("smile smiles smiled smiling smirk smirks smirking grin grins grinning".split(), (_SMILE,)),
    **dict.fromkeys(("beaming", "laughing", "laughs"), (_SMILE,)),
    **dict.fromkeys("frown frowns frowned frowning".split(), (Meaning((4, 15), "brows", "down"),)),
    **dict.fromkeys("scowl scowls scowling".split(), (_FURROW,)),
    **dict.fromkeys("squint squints squinting squinted".split(), (_NARROW,)),
    **dict.fromkeys("dimple dimples".split(), (Meaning((14,), "mouth corners", "dimple"),)),
    "unsmiling": (_SMILE._replace(present=False),),
    "teeth": (_OPEN,),
}
SYMMETRIC = frozenset("symmetric symmetrical symmetrically symmetry evenly equally alike".split())
UNEVEN = frozenset(
    "asymmetric asymmetrical asymmetrically asymmetry uneven unevenly lopsided crooked unequal unequally".split()
)
SLIGHT = frozenset(
    "slight slightly subtle subtly faint faintly hint gentle gently mild mildly small minimal minimally little bit "
    "somewhat weak weakly partial partially partly half trace limited reduced minor modest soft softly "
    "marginally barely "
    "faintest touch tad".split()
)
STRONG = frozenset(
    "very strong strongly deep deeply pronounced marked markedly intense intensely broad broadly heavily fully widely "
    "prominent prominently extremely tightly firmly wide clearly".split()
)
