"""The words of negation, doubt and presence that polarity.py reads scopes by."""

import re

TRIGGERS = frozenset(
    "no not none nor neither never nothing nobody cannot without hardly scarcely barely lack lacks lacked "
    "lacking absent "
    "absence inactive missing devoid free instead rather fail fails failed failing unable refrain refrains "
    "refraining far "
    "anything unlike except excepting unlikely doubtful improbable rule rules ruled ruling excluded excluding excludes "
    "opposed unclear uncertain unsure undetected unengaged unseen invisible unnoticeable nonexistent dormant few "
    "little "
    "if would whether sure hard difficult impossible other besides apart aside beyond typically usually normally "
    "commonly often rest relaxed resting unmoved neutral lost loses more less than hide hides negative false null nil "
    "replaces dismissed deactivated unactivated nowhere contradicted exclude doubt stopped ceased among "
    "contrary untouched rejected refuted discarded blurry unknown undecided fades fading "
    "inconclusive undetermined occluded obscured unsmiling vanished gone disappeared faded non out off zero "
    "rests unless vain against way mistake mistakes mistaken mistook taken expect expected expects too "
    "tries trying try tried misread misinterpreted confused initially "
    "closed shut sealed open smooth flat level normal minus insufficient questionable debatable wrong incorrect nearly "
    "refuses refuse refused stops stop quits ceases exaggeration misleading almost about verge fighting "
    "fights disappears vanishes dissolves vanishing n f empty "
    "suppress suppresses suppressed suppressing stifles stifling biting bites holding holds what were had "
    "should".split()
)
SIGNS = (
    "a stretch to",
    ", only",
    ",0",
    ": \u2013",
    ": -",
    "[ ]",
    "?",
    "\u2717",
    "n't",
    "n/a",
    "%",
    " 0",
    "=0",
    ":0",
    "(0",
)
LETTERS = re.compile(r"[a-z]+")
FORWARD = frozenset(
    "refuses refuse refused stops stop quits ceases no without neither nor none lack lacks lacked "
    "lacking absence devoid never nothing unable instead rather fails "
    "failed fail failing refrains refrain refraining unlike minus insufficient excludes excluding "
    "opposed far anything free lost loses "
    "replaces hides exclude negative doubt stopped ceased nobody contrary".split()
)
NEEDS = {
    "instead": ("of",), "rather": ("than",), "opposed": ("to",), "far": ("from",), "anything": ("but",),
    "free": ("of", "from"), "absence": ("of",), "devoid": ("of",), "none": ("of", "in", "for"), "negative": ("for",),
    "insufficient": ("evidence",), "contrary": ("to",),
}  # fmt: skip
NOMINAL = frozenset(
    "contrary minus no without neither nor none lack absence devoid nothing instead rather unlike far free".split()
)
BACK = frozenset(
    "absent inactive missing unlikely doubtful improbable excluded nonexistent dormant undetected unengaged unseen "
    "invisible unnoticeable deactivated unactivated untriggered nowhere contradicted vanished gone disappeared "
    "faded untouched rejected refuted discarded fades fading disappears "
    "vanishes dissolves empty".split()
)
CHANCE = frozenset(("likely", "probable", "plausible"))
COPULAS = frozenset("is are was were remains remain stays stay appears seems at in".split())
AT_REST = frozenset(("rest", "rests", "relaxed", "resting", "neutral", "unmoved"))
PRESENCE = frozenset(
    "present visible obvious observed observable active activated evident apparent seen there detected detectable "
    "engaged noticeable noticed shown displayed exhibited involved identified discernible indicated expressed "
    "recognised recognized found used recruited contributing contribute contributes moving move moves moved "
    "perceptible "
    "exist exists existing occur occurs occurring part play plays case appear appearing triggered engage engages "
    "suggested perceived confirmed notable here included clear fit fits apply applies scored coded counted rated "
    "marked labelled labeled occurred existed emerged emerge arise register registered reported inferred "
    "correct".split()
)
BETWEEN = frozenset(
    "be been being to appear appears seem seems look looks actually really at all any is are was were much that as "
    "also even have particularly yet currently quite easily readily so".split()
)
DEGREES = frozenset(
    "very strongly fully particularly especially highly overly too so intensely heavily completely entirely extremely "
    "markedly as".split()
)
TRAILING = frozenset(
    "at all here either anymore really though so in this image face photo picture the any longer now yet and".split()
)
MOVEMENT = frozenset(
    "activation activity sign signs evidence movement movements motion indication contraction action presence change "
    "involvement trace".split()
)
HIDDEN = frozenset(
    "hide hides hiding conceal suppress overlook ignore deny miss help contain mask dispute doubt".split()
)
LIST_WORDS = frozenset(
    ", / & + and or nor of any even a an the as well such like including especially also strong clear visible obvious "
    "discernible other signs sign her his in both either s his".split()
)
OPEN = re.compile(
    r"\b(?:may or may not|unclear|uncertain|unsure|not (?:\w+ly )?(?:clear|certain|sure|possible|obvious|easy) "
    r"(?:whether|if|about|which|what|to)|"
    r"not (?:sure|certain)|(?:hard|difficult|impossible) to (?:tell|say|determine|judge|see|know|decide|identify|be)|"
    r"(?:can|could) not (?:be )?(?:tell|say|determined?|judged?|decided?|identify|identified|"
    r"help (?:you|with|identify)|certain|know|assess(?:ed)?|evaluated|verif(?:y|ied))|"
    r"too \w+ to|(?:tries|trying|try|tried) (?:not )?to(?= smile)|suppress\w*|"
    r"stifl(?:es|ing)|(?:bites|biting|holds|holding) back|not able to (?:tell|"
    r"say|determine|identify)|unable to (?:tell|say|determine|identify)|not allow|"
    r"(?:might|could|would) (?:\w+ly )?expect|(?:one|you|we) would(?= (?:\w+ )?(?:see|find|observe|notice|have))|"
    r"(?:nearly|almost)(?= (?:smil|grin|laugh|frown))|about to|verge of|fight(?:s|ing) back|"
    r"would (?:\w+ )?(?:have|need) to be|"
    r"would (?:typically|usually|normally|be expected|expect|require|need|include|involve|complete|show|be wrong)|"
    r"(?:typically|usually|normally|commonly|often) (?:involves?|shows?|includes?|requires?|accompanied)|"
    r"might have been)\b"
)
CANCELLED = frozenset("rule exclude without lack lacking means devoid absence ruled excluded dismissed".split())
UNDECIDED = frozenset(("questionable", "debatable", "inconclusive", "undetermined", "occluded", "obscured"))
PARTLY = frozenset(("fully", "completely", "entirely", "wholly", "totally"))
ALL_OF = frozenset(("all", "both", "each", "they", "these", "those", "which", "it", "this"))
NONE_OF = frozenset(("neither", "none"))
