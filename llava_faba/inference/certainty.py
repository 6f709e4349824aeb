"""How sure a model is of what it answered: a probability for each emotion or AU, taken from the answer itself.

`words`: where the answer names an emotion or an AU, the words for the others are weighed in that very place, behind the
same beginning. A bare label is such a place too. `samples`: the question is answered several times at temperature 1,
and a label's probability is the share of answers that name it. Where an answer names nothing, no probability is given.
A temperature that `llava-faba score --calibrate` fitted is applied last.
"""

import math
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch

from llava_faba.claims.lexicon import EMOTION_WORDS
from llava_faba.errors import InputError
from llava_faba.eval.labels import dataset_named
from llava_faba.eval.parse import parse_aus, parse_emotion
from llava_faba.files import read_json
from llava_faba.inference.decoding import Prefix
from llava_faba.inference.describer import Describer, Face
from llava_faba.inference.likelihood import log_likelihoods
from llava_faba.vocabulary import CALIBRATION, EMOTIONS, FABA_AUS

NOUNS = dict(zip(("happiness", "sadness", "surprise", "anger", "neutrality", "disgust", "fear"), EMOTIONS, strict=True))
ADJECTIVES = dict(zip(("happy", "sad", "surprised", "angry", "neutral", "disgusted", "fearful"), EMOTIONS, strict=True))
DIGITS = 6  # after the point: what is written does not show the last bits of a sum

_AU_NUMBER = re.compile(r"(?<![a-z])(?:AUs?\s*|action units?\s*)(\d+)", re.IGNORECASE)
_FOLLOWING = re.compile(r"[^\w]+[A-Za-z]*")  # what ends a word: without it "AU1" also begins "AU12"

Shares = dict[str, float]


def weigh_words(
    describer: Describer, prefix: Prefix, task: str, question: str, answers: Sequence[str]
) -> list[Shares | None]:
    """Return for each face of a prefix what its own answer's words are worth; None where it names nothing."""
    weigh = _weigh_emotion if task == "emotion" else _weigh_aus
    return [weigh(describer, prefix, row, question, answer) for row, answer in enumerate(answers)]


def count_samples(
    describer: Describer,
    prefix: Prefix,
    faces: Sequence[Face],
    task: str,
    question: str,
    count: int,
    max_new_tokens: int,
) -> list[Shares | None]:
    """Return for each face the shares of `count` sampled answers; each face's draws depend on its pixels alone."""
    generators = [
        torch.Generator().manual_seed(zlib.crc32(face.pixels.contiguous().numpy().tobytes())) for face in faces
    ]

    def choose(logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        likely = logits.softmax(-1).cpu()
        drawn = [torch.multinomial(likely[at], 1, generator=generators[row]) for at, row in enumerate(rows)]
        return torch.cat(drawn).to(logits.device)

    said: list[list[str]] = [[] for _ in faces]
    for _ in range(count):
        texts = describer.answer(prefix, [question], max_new_tokens=max_new_tokens, choose=choose)
        for row, (text,) in enumerate(texts):
            said[row].append(text)
    return [_shares_of(task, texts) for texts in said]


def calibrated(describer: Describer, task: str, method: str, found: Sequence[Shares | None]) -> list[Shares | None]:
    """Apply the temperature that was fitted for this model, task and method (`words` or `samples`), if any."""
    path = describer.model_path
    temperature = read_temperature(path, task, method) if path else None
    return [shares and at_temperature(shares, task, temperature) for shares in found]


def read_temperature(model_path: Path | str, task: str, method: str) -> float | None:
    """Return the temperature that was fitted for this model, task and method; None where there is none."""
    place = Path(model_path) / CALIBRATION
    if not place.is_file():
        return None
    fitted = read_json(place, "calibration").get(task, {})
    temperature = fitted.get("temperature") if fitted.get("method") == method else None
    if temperature is not None and not (isinstance(temperature, int | float) and temperature > 0):
        raise InputError(
            f"{place} gives {task} the temperature {temperature!r}.",
            "It is a number above 0, as `llava-faba score --calibrate` writes it.",
            "Remove the file, or calibrate again.",
        )
    return temperature


def at_temperature(shares: Shares, task: str, temperature: float | None) -> Shares:
    """Divide the logarithms by the temperature: above 1 flattens, below 1 sharpens; None changes nothing.

    >>> {name: round(p, 2) for name, p in at_temperature({"AU1": 0.9}, "au", 2.0).items()}
    {'AU1': 0.75}
    """
    if temperature is None:
        return {name: round(p, DIGITS) for name, p in shares.items()}
    powers = {name: p ** (1 / temperature) for name, p in shares.items()}
    total = sum(powers.values())
    wholes = {
        name: total if task == "emotion" else powers[name] + (1 - p) ** (1 / temperature) for name, p in shares.items()
    }
    return {name: round(power / wholes[name], DIGITS) for name, power in powers.items()}


def _weigh_emotion(describer: Describer, prefix: Prefix, row: int, question: str, answer: str) -> Shares | None:
    recognised = parse_emotion(answer, "strict").value
    place = next(
        (found for found in re.finditer(r"[A-Za-z]+", answer) if recognised in _emotions_of(found[0].lower())), None
    )
    if place is None or not isinstance(recognised, str):
        return None
    word = place[0].lower()
    forms = [form for form in (NOUNS, ADJECTIVES) if word in form] or [NOUNS, ADJECTIVES]
    candidates = {candidate: emotion for form in forms for candidate, emotion in form.items()} | {word: recognised}
    logs = _in_place(describer, prefix, row, question, answer, place.span(), [_cased(c, place[0]) for c in candidates])
    weights = torch.zeros(len(EMOTIONS), dtype=torch.float64)
    for emotion, share in zip(candidates.values(), logs.softmax(-1), strict=True):
        weights[EMOTIONS.index(emotion)] += share
    return dict(zip(EMOTIONS, weights.tolist(), strict=True))


def _weigh_aus(describer: Describer, prefix: Prefix, row: int, question: str, answer: str) -> Shares | None:
    """1 - prod(1 - share in each place where the answer names an AU by number): the chance that any place names it."""
    value = parse_aus(answer, dataset_named("faba"), "strict").value
    affirmed = value if isinstance(value, tuple) else ()
    places = [found for found in _AU_NUMBER.finditer(answer) if int(found[1]) in affirmed]
    if not places:
        return None
    absent = torch.ones(len(FABA_AUS), dtype=torch.float64)
    for place in places:
        logs = _in_place(describer, prefix, row, question, answer, place.span(1), [str(au) for au in FABA_AUS])
        absent *= 1 - logs.softmax(-1)
    return {f"AU{au}": 1 - p for au, p in zip(FABA_AUS, absent.tolist(), strict=True)}


def _in_place(
    describer: Describer,
    prefix: Prefix,
    row: int,
    question: str,
    answer: str,
    span: tuple[int, int],
    candidates: Sequence[str],
) -> torch.Tensor:
    """Log likelihood (candidates,) of the answer up to a place that says each of the candidates in turn."""
    begin, end = span
    following = _FOLLOWING.match(answer, end)
    texts = [answer[:begin] + candidate + (following[0] if following else "") for candidate in candidates]
    return log_likelihoods(describer, prefix.of_face(row), [(question, text) for text in texts])[0]


def _emotions_of(word: str) -> tuple[str, ...]:
    own = {**NOUNS, **ADJECTIVES}.get(word)
    known = EMOTION_WORDS.get(word)
    return (own,) if own else known.emotions if known else ()


def _cased(word: str, like: str) -> str:
    return word.capitalize() if like[0].isupper() else word


def _shares_of(task: str, texts: Sequence[str]) -> Shares | None:
    if task == "emotion":
        found = [value for text in texts if isinstance(value := parse_emotion(text, "strict").value, str)]
        return {emotion: found.count(emotion) / len(found) for emotion in EMOTIONS} if found else None
    sets = [
        value for text in texts if isinstance(value := parse_aus(text, dataset_named("faba"), "strict").value, tuple)
    ]
    return {f"AU{au}": math.fsum(au in one for one in sets) / len(sets) for au in FABA_AUS} if sets else None
