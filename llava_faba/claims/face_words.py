"""The words for parts of a face and for what they do, and which action units a part that does so means.

A part and a direction are read apart and joined in phrases.py: no list of whole phrases could be complete.
"""

from typing import NamedTuple

PART_WORDS = {
    **dict.fromkeys(("brow", "brows", "eyebrow", "eyebrows"), "brows"),
    **{"forehead": "forehead", "glabella": "brows"},
    **dict.fromkeys(("lid", "lids", "eyelid", "eyelids"), "lids"),
    **dict.fromkeys(("eye", "eyes", "eyed"), "eyes"),
    **dict.fromkeys(("cheek", "cheeks"), "cheeks"),
    **dict.fromkeys(("nose", "nostrils", "nasal"), "nose"),
    **dict.fromkeys(("mouth", "mouthed"), "mouth"),
    **dict.fromkeys(("lip", "lips", "lipped"), "lips"),
    **dict.fromkeys(("corner", "corners"), "corners"),
    **dict.fromkeys(("jaw", "jaws", "jawed"), "jaw"),
    "chin": "chin",
    **dict.fromkeys(("smile", "smiles"), "smile"),
}
BROWS = frozenset(word for word, part in PART_WORDS.items() if part == "brows")
# What else may be raised, open or turned: a direction beside one of these says nothing about the face.
OTHER_PARTS = frozenset(
    "gaze look head hair face glasses hat hand hands arm arms shoulder shoulders neck door window camera background "
    "collar beard ear ears eyeglasses stare glance body pupils iris lighting light shadow shadows he she they person "
    "man woman skin moustache mustache".split()
)


def _tags(**words: str) -> dict[str, str]:
    return {word: tag for tag, listed in words.items() for word in listed.split()}


MOVEMENT_WORDS = _tags(
    up="upturn raised raise raises raising lifted lift lifts lifting upturned upward upwards up rise rises "
    "rising risen rose "
    "elevated elevate elevates elevating elevation arched arch arches arching uplifted high heightened quirked cocked",
    down="sink sinks sinking downturn lowered lowers lowering down downward downwards downturned depressed "
    "droop droops drooped "
    "drooping droopy "
    "dropped drops drop dropping sag sags sagging sagged downcast low",
    together="furrowed furrow furrowing furrows knit knits knitted knitting together contracted contract contracts "
    "contracting contraction creased crease creases creasing pinched scrunched bunched scowling knotted "
    "converge converges converging crumpled",
    inside="inward inwards",
    wide="wide widened widen widens widening enlarged bulge bulges bulging",
    narrow="slit slits squinty narrowed narrower narrow narrows narrowing squinted squint squints squinting",
    close="closed close closes closing closure shut shuts sealed",
    squeeze="squeezed squeeze squeezes squeezing",
    open="open opened opens opening part parts parted parting separated agape apart ajar gaping gap gapes",
    press="pressed press presses pressing compressed compression clamped clenched",
    tight="tension tightness thinned thinning tight tightened tighten tightens tightening tense tensed taut",
    stretch="stretched stretch stretches stretching",
    pucker="puckered pucker puckers puckering pursed purse purses pursing protrude protrudes protruding "
    "funnelled funneled rounded forward forwards",
    wrinkle="wrinkled wrinkle wrinkles wrinkling crinkled crinkle crinkles crinkling scrunch scrunches "
    "scrunching lines",
    curl="curl curls curled curling",
    out="outward outwards",
    back="back",
    sideways="sideways",
    fall="falls fall fallen fell",
    retract="retracted retracts retracting",
    hang="hangs hang hanging hung slack",
    cover="cover covers covering",
    move="move moves moved moving movement movements motion mobile",
    smooth="smooth",
    rest="relax relaxes relaxed neutral rest resting unmoved motionless immobile still unfurrowed normal natural flat "
    "inactive passive",
    lined="lined",
    level="level",
    wider="wider bigger",
    touch="touch touches touching meet meets meeting",
    reach="reach reaches reaching",
    dimple="dimpled dimpling",
)
# Nouns of movement, which "of", "in" and "around" join to a part: "a slight downward pull of the brows".
NOUNS = frozenset(
    "upturn downturn raising raise lifting lift elevation rise lowering drop drooping droop sagging "
    "furrowing furrow furrows crease "
    "creases creasing knitting contraction widening narrowing squinting closure closing opening parting gap pressing "
    "tightening stretching puckering wrinkling wrinkle wrinkles curl curling movement movements motion arch arching "
    "scrunching pull turn tension crinkling crinkle lines line curve dimpling tightness compression".split()
)
CARRIERS = frozenset(
    "pull pulled pulls pulling turn turned turns draw drawn draws point points go goes push pushed slant "
    "slanted slanting "
    "angled tilt tilted tilting".split()
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
_FURROW, _TOGETHER = Meaning((4,), "brows", "down"), Meaning((4,), "brows", "together")
_NARROW = Meaning((7, 43), "lids", "narrow")
_CORNERS_DOWN = Meaning((15,), "mouth corners", "down")
_WIDE, _CLOSED = Meaning((5,), "lids", "wide"), Meaning((43,), "lids", "close")
_JAW, _NOSE, _CHIN = Meaning((26, 27), "jaw", "open"), Meaning((9,), "nose", "wrinkle"), Meaning((17,), "chin", "up")
_CHEEKS, _DIMPLE = Meaning((6,), "cheeks", "up"), Meaning((14,), "mouth corners", "dimple")
_PRESS, _UPPER_LIP = Meaning((24,), "lips", "press"), Meaning((10,), "upper lip", "up")
_TIGHT = Meaning((23, 24), "lips", "tight")
_PUCKER, _STRETCH = Meaning((18,), "lips", "pucker"), Meaning((20,), "lips", "stretch")

_GATHER = ("together", "inside", "touch", "tight", "close", "wrinkle")

MEANINGS: dict[tuple[str, str], tuple[Meaning, ...]] = {
    ("brows", "up"): (Meaning((1, 2), "brows", "up", all=True),),
    ("inner brows", "up"): (Meaning((1,), "inner brows", "up"),),
    ("outer brows", "up"): (Meaning((2,), "outer brows", "up"),),
    **{(part, "down"): (_FURROW,) for part in ("brows", "inner brows", "outer brows")},
    **{(part, tag): (_TOGETHER,) for part in ("brows", "inner brows", "outer brows") for tag in _GATHER},
    **{("forehead", "together"): (_TOGETHER,), ("forehead", "tight"): (_TOGETHER,), ("forehead", "down"): (_FURROW,)},
    **{("forehead", tag): (Meaning((4, 1, 2), "brows", "move"),) for tag in ("wrinkle", "lined")},
    **{(part, "move"): (Meaning((1, 2, 4), "brows", "move"),) for part in ("brows", "forehead")},
    **{
        (part, tag): (Meaning((1, 2, 4), "brows", "move", False),)
        for part in ("brows", "forehead")
        for tag in ("rest", "smooth")
    },
    **{(part, tag): (_WIDE,) for part in ("eyes", "lids", "upper lids") for tag in ("wide", "wider")},
    **{(part, tag): (_WIDE,) for part in ("lids", "upper lids") for tag in ("up", "retract", "back")},
    ("lower lids", "up"): (Meaning((7,), "lids", "narrow"),),
    **{(part, tag): (_NARROW,) for part in ("eyes", "lids", "lower lids") for tag in ("narrow", "tight", "together")},
    **{(part, tag): (_NARROW,) for part in ("lids", "upper lids") for tag in ("down", "hang", "cover")},
    **{(part, tag): (_CLOSED,) for part in ("eyes", "lids", "upper lids") for tag in ("close", "squeeze")},
    **{(part, "open"): (Meaning((43,), "lids", "close", False),) for part in ("eyes", "lids")},
    ("lids", "move"): (Meaning((5, 7, 43), "lids", "move"),),
    ("cheeks", "up"): (_CHEEKS,),
    **{(part, "wrinkle"): (_CHEEKS,) for part in ("eyes", "lids", "eye corners")},
    ("eyes", "reach"): (_CHEEKS,),
    **{("cheeks", tag): (_CHEEKS,) for tag in ("move", "wide", "together", "tight")},
    **{("cheeks", tag): (_CHEEKS._replace(present=False),) for tag in ("rest", "smooth")},
    **{("nose", tag): (_NOSE,) for tag in ("wrinkle", "together")},
    **{("mouth corners", tag): (_SMILE,) for tag in ("up", "curl")},
    **{("mouth corners", tag): (Meaning((12,), "mouth corners", "out"),) for tag in ("out", "back")},
    ("mouth corners", "sideways"): (Meaning((20, 12), "mouth corners", "out"),),
    ("mouth corners", "inside"): (Meaning((18, 14), "mouth corners", "in"),),
    **{("mouth corners", tag): (_CORNERS_DOWN,) for tag in ("down", "hang", "fall")},
    ("mouth corners", "move"): (Meaning((12, 15), "mouth corners", "move"),),
    **{
        ("mouth corners", tag): (Meaning((12, 15), "mouth corners", "move", False),)
        for tag in ("rest", "smooth", "level")
    },
    **{(part, "up"): (_SMILE,) for part in ("mouth", "lips")},
    **{(part, "down"): (_CORNERS_DOWN,) for part in ("mouth", "lips")},
    **{(part, "open"): (_OPEN,) for part in ("mouth", "lips")},
    **{("mouth", tag): (_OPEN,) for tag in ("hang", "wide")},
    ("mouth", "move"): (Meaning((25, 26, 27, 12, 15), "mouth", "move"),),
    ("lips", "move"): (Meaning((25, 26, 27, 12, 15), "mouth", "move"),),
    **{(part, "close"): (_SHUT_MOUTH,) for part in ("mouth", "lips")},
    ("lips", "touch"): (_SHUT_MOUTH,),
    **{(part, "press"): (_PRESS,) for part in ("mouth", "lips")},
    ("lips", "squeeze"): (_PRESS,),
    **{(part, "tight"): (_TIGHT,) for part in ("lips", "mouth")},
    **{(part, tag): (_STRETCH,) for part in ("lips", "mouth") for tag in ("stretch", "sideways")},
    ("mouth", "narrow"): (_PUCKER,),
    ("lips", "narrow"): (_TIGHT,),
    ("nose", "smooth"): (_NOSE._replace(present=False),),
    **{(part, "pucker"): (_PUCKER,) for part in ("lips", "mouth")},
    **{("upper lip", tag): (_UPPER_LIP,) for tag in ("up", "curl", "retract")},
    ("lower lip", "up"): (_CHIN,),
    ("cheeks", "down"): (_CHEEKS._replace(present=False),),
    ("brows", "stay down"): (Meaning((1, 2), "brows", "up", False, all=True),),
    ("mouth corners", "stay down"): (_SMILE._replace(present=False),),
    ("jaw", "stay up"): (_JAW._replace(present=False),),
    ("eye corners", "together"): (_CHEEKS,),
    ("lower lip", "down"): (Meaning((16,), "lower lip", "down"),),
    ("jaw", "close"): (_JAW._replace(present=False),),
    ("jaw", "move"): (Meaning((26, 27), "jaw", "move"),),
    **{("jaw", tag): (_JAW,) for tag in ("down", "open", "hang", "fall")},
    **{("chin", tag): (_CHIN,) for tag in ("up", "wrinkle", "pucker", "dimple", "together", "tight")},
    ("cheeks", "dimple"): (_DIMPLE,),
    **{("mouth corners", tag): (_DIMPLE,) for tag in ("dimple", "tight")},
}
# Words that name a part and its movement in one.
ALONE: dict[str, tuple[Meaning, ...]] = {
    **dict.fromkeys("smile smiles smiled smiling smirk smirks smirking grin grins grinning".split(), (_SMILE,)),
    **dict.fromkeys("beaming laughing laughs laughter chuckling giggling".split(), (_SMILE,)),
    **dict.fromkeys("frown frowns frowned frowning".split(), (Meaning((4, 15), "brows", "down"),)),
    **dict.fromkeys("scowl scowls scowling".split(), (_FURROW,)),
    **dict.fromkeys("sneer sneers sneering snarl snarls snarling".split(), (_UPPER_LIP._replace(aus=(10, 9)),)),
    **dict.fromkeys("squint squints squinting squinted".split(), (_NARROW,)),
    **dict.fromkeys("dimple dimples".split(), (_DIMPLE,)),
    **dict.fromkeys("pout pouts pouted pouting".split(), (_PUCKER._replace(aus=(18, 17)),)),
    **dict.fromkeys("wink winks winked winking".split(), (_CLOSED,)),
    **dict.fromkeys("blink blinks blinked blinking".split(), (_CLOSED._replace(aus=(45,)),)),
    "crow": (_CHEEKS,),  # crow's feet
    **dict.fromkeys(("smileless", "nonsmiling"), (_SMILE._replace(present=False),)),
    "unsmiling": (_SMILE._replace(present=False),),
    **dict.fromkeys(("teeth", "toothy"), (_OPEN,)),
    **dict.fromkeys(("sclera", "whites"), (_WIDE,)),
}
SYMMETRIC = frozenset("symmetric symmetrical symmetrically symmetry evenly equally alike".split())
UNEVEN = frozenset(
    "asymmetric asymmetrical asymmetrically asymmetry uneven unevenly lopsided crooked unequal unequally".split()
)
SLIGHT = frozenset(
    "tiny almost nearly slight slightly subtle subtly faint faintly hint gentle gently mild mildly small minimal "
    "minimally little bit "
    "somewhat weak weakly partial partially partly half trace limited reduced diminished minor modest soft softly "
    "marginally barely "
    "faintest touch tad lightly".split()
)
LITTLE = frozenset("little reduced limited minimal minimally diminished".split())  # "a little" is slight
STRONG = frozenset(
    "very strong strongly deep deeply pronounced marked markedly intense intensely broad broadly heavily fully widely "
    "prominent prominently extremely tightly firmly firm wide clearly big great".split()
)
