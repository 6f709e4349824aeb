"""Facts that several rooms share: emotions, action units, expressions of clips, the range of severity, file names.

Each stands here once, with its source; what only one room needs stays there.
"""

# FABA-Bench's emotions; their order gives integer labels their meaning and breaks ties in the released code.
# https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L47-L55
EMOTIONS = ("Happiness", "Sadness", "Surprise", "Anger", "Neutral", "Disgust", "Fear")

# FACS names of the AUs that one of the data sets annotates (supplement of arXiv 2404.05052, Table 1; there AU16 is
# missing, which the released code reads; 18: FACS).
AU_NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    18: "lip pucker",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    43: "eyes closed",
}

# The AUs that FABA-Bench's released scorer reads in a text.
# https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L118-L128
FABA_AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 20, 23, 24, 25, 26, 27, 43)

# All codes of the Facial Action Coding System (Ekman, Friesen, Hager 2002): a label outside them is a slip of the pen.
FACS_CODES = frozenset([*range(1, 3), *range(4, 40), *range(41, 47), *range(50, 86), *range(91, 93), *range(97, 99)])

EXPRESSIONS = ("sit_at_rest", "smile", "frown", "squeeze_eyes", "clench_teeth")  # PFED5's five, by its class index
MAX_SEVERITY = 4  # severity runs from 0 (normal) to 4 (severe), as MDS-UPDRS part III rates items

NO_FACE = "no face was read in the picture"  # why there is no answer; a server says it in these words too
GIVEN_PRIOR = "facial_prior"  # of a request's mm_processor_kwargs: a prior that its caller knows already

RUN_RECORD = "run.json"  # what made a training run, in its output folder
UNREAD_RECORD = "unread.jsonl"  # the samples of a folder of priors in which no face was read
SEVERITY_WEIGHTS = "severity.safetensors"  # the severity path of a model that assesses clips
CALIBRATION = "calibration.json"  # the temperatures of a model's probabilities, beside its config.json
