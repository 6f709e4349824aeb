"""What the paper's protocol says about each labelled data set: its labels, its AUs, its division (supplement D.1)."""

from dataclasses import dataclass, field
from pathlib import Path

from llava_faba.data.fabainstruct import EMOTIONS

BP4D_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
DISFA_AUS = (1, 2, 4, 6, 9, 12, 25, 26)
GFT_AUS = (1, 2, 4, 6, 10, 12, 14, 15, 23, 24)
DISFA_ACTIVE = 2  # intensity, 0 to 5, from which an AU counts as active (supplement D.1)
RAF_DB_EMOTIONS = ("Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral")  # its labels 1 to 7
ADJECTIVES = {"happy": "Happiness", "sad": "Sadness", "surprised": "Surprise", "angry": "Anger", "disgusted": "Disgust"}
SPELLINGS = {name.lower(): name for name in EMOTIONS} | ADJECTIVES | {"afraid": "Fear", "fearful": "Fear"}

# Three subject-exclusive folds, as the AU papers that EmoLA follows use them; fold k is evaluated on the k-th group:
# https://github.com/CVI-SZU/ME-GraphAU/blob/d5581006cee3505a9941e998ac77356de21fe852/tool/BP4D_image_label_process.py
BP4D_FOLDS = (
    "F007 F015 F006 F019 M006 M009 F012 M003 F004 F021 F017 M015 F014".split(),
    "M011 F003 M010 M002 F005 F022 M018 M017 F013 M016 F020 F011 M013 M005".split(),
    "F001 M007 F018 F008 F002 M004 F010 F009 M012 M001 F016 M014 F023 M008".split(),
)
# .../68fb2799bc3141c2236df07fd0e3ae21b2193db2/tool/DISFA_image_label_process.py
DISFA_FOLDS = (
    "SN003 SN029 SN023 SN025 SN008 SN005 SN007 SN017 SN004".split(),
    "SN013 SN018 SN011 SN028 SN012 SN006 SN031 SN021 SN024".split(),
    "SN002 SN010 SN001 SN026 SN027 SN032 SN030 SN009 SN016".split(),
)


@dataclass(frozen=True)
class Labelled:
    """One labelled picture."""

    image: str  # relative to the image root
    label: str | tuple[int, ...]  # an emotion, or the active AUs
    part: str = ""  # "train" or "eval"; "" where folds decide
    subject: str = ""


@dataclass
class Layout:
    """What a reader found."""

    image_root: Path
    faces: list[Labelled] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)  # {"image", "reason"}

    def leave_out(self, image: str, reason: str) -> None:
        self.left_out.append({"image": image, "reason": reason})
