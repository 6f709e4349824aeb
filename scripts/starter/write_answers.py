#!/usr/bin/env python
"""Write what the starter is trained to say: FABA-Instruct-like answers that name only what is there.

A face's answer has the label that people gave it, the movements that its own landmarks show against the norms of
neutral faces (llava_faba/evidence), and what one picture cannot tell. No text comes from another model or data set.

Each sample has landmarks of its own: the face's, moved a little and half of the time mirrored, and the movements are
those of the moved ones. So no face is met twice, and none can be learned by heart together with its label.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from llava_faba.data.convert import read_csv
from llava_faba.data.prompts import INSTRUCTIONS, QUESTIONS
from llava_faba.errors import InputError
from llava_faba.evidence.norms import load_norms
from llava_faba.evidence.photo import BEYOND, SIGNS, STRONGER
from llava_faba.face.landmarks import MIRRORED, interocular, to_eye_frame
from llava_faba.face.measures import MeasuredFace, measure_landmarks
from llava_faba.files import read_json, write_json

SURE = 0.03  # a movement is named from this much beyond the limit at which the evidence supports it
LANDMARK_NUMBERS = 136  # before the expression scores in a prior
JITTER = 0.012  # of the inter-ocular distance: how far landmarks are moved, about what dlib's own fits scatter
SCORE_JITTER = 0.15  # of the expression scores
MARKED = 0.92  # share of neutral faces from which on a movement is called clear
FOLLOW_UPS = {
    "why": "Why? Describe the parts of the face that show it.",
    "against": "Which parts of the face speak against this answer?",
}
BARE_SHARE = 0.06  # of the emotion samples answer with the bare label, which `--probabilities` reads
FIXED_SHARE = 0.75  # of the questions are the fixed one, the others are drawn from the instructions

TASKS = ("emotion", "au", "why", "against")
LONGER_SHARE = 0.35  # of the conversations have two to four turns

OPENINGS = ("The expression reads as {}.", "This face reads as {}.", "I read this expression as {}.")
MOVES = {  # AU -> what is said of it when it is clear, and otherwise; each takes "are" or "is" with it
    1: ("the inner brows are clearly raised", "the inner brows are raised"),
    2: ("the outer brows are clearly raised", "the outer brows are raised"),
    4: ("the brows are clearly lowered and drawn together", "the brows are lowered"),
    5: ("the eyes are wide open", "the upper lids are raised"),
    7: ("the lids are tightened and the eyes narrow", "the eyes are narrowed"),
    12: ("the corners of the mouth are clearly pulled up", "the corners of the mouth are pulled up"),
    15: ("the corners of the mouth are clearly pulled down", "the corners of the mouth are pulled down"),
    18: ("the lips are clearly puckered", "the lips are puckered"),
    25: ("the lips are wide apart", "the lips are parted"),
    26: ("the jaw has dropped", "the jaw is lowered"),
    27: ("the mouth is stretched wide open", "the mouth is wide open"),
    43: ("the eyes are closed", "the eyes are nearly closed"),
}
LIMITS = (
    "What the person feels cannot be told from one picture.",
    "A single picture cannot tell what the person feels.",
    "The picture does not tell why.",
)
STILL = (
    "The landmarks show no clear movement of the brows, the lids or the mouth.",
    "No movement of the brows, the lids or the mouth stands out.",
)
UNREAD = "The landmarks of this face could not be read, so single movements are left open."


def moved(points: np.ndarray, scores: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A face's landmarks (68, 2), moved a little and perhaps mirrored, and its expression scores."""
    if random.random() < 0.5:
        points = points[list(MIRRORED)] * [-1, 1]
    far = JITTER * interocular(points)
    return points + random.normal(0, far, points.shape), scores + random.normal(0, SCORE_JITTER, scores.shape)


def shares(face: MeasuredFace) -> dict[int, float]:
    """Return for each AU that can be measured the share of neutral faces which show it less."""
    norms, found = load_norms(), {}
    for au, (measure, sign) in SIGNS.items():
        value = norms.levelled(face, measure)
        if value is not None:
            below = norms.share_below(measure, value)
            found[au] = below if sign > 0 else 1 - below
    return found


def movements(share_of: dict[int, float]) -> dict[int, bool]:
    """Return the AUs that a face's landmarks support, and whether each is marked; one AU speaks for the lips."""
    found = {}
    for au, share in share_of.items():
        if share >= STRONGER.get(au, BEYOND) + SURE * (1 if au not in STRONGER else 0.5):
            found[au] = share >= MARKED
    for more, less in ((27, 26), (26, 25), (43, 7), (12, 15), (1, 4)):
        if more in found and less in found and less != 25:
            del found[less]
    return found


def listed(parts: list[str]) -> str:
    """Join words with commas and an "and"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def phrases(moves: dict[int, bool]) -> list[str]:
    return [f"{MOVES[au][0 if marked else 1]} (AU{au})" for au, marked in moves.items()]


def described(moves: dict[int, bool], limit: int = 3) -> str:
    """One sentence about the movements: the marked ones first, at most `limit`."""
    chosen = sorted(moves, key=lambda au: not moves[au])[:limit]
    text = listed(phrases({au: moves[au] for au in sorted(chosen)}))
    return text[0].upper() + text[1:] + "."


def emotion_answer(label: str, moves: dict[int, bool] | None) -> str:
    """The label stands at the same place in every opening, so that one word decides; the face chooses the opening."""
    shown = UNREAD if moves is None else described(moves) if moves else STILL[0]
    opening = OPENINGS[len(moves or ()) % len(OPENINGS)].format(label.lower())
    return f"{opening} {shown} {LIMITS[sum(moves or ()) % len(LIMITS)]}"


def au_answer(moves: dict[int, bool] | None) -> str:
    """The AUs by number, then in words."""
    if moves is None:
        return UNREAD
    if not moves:
        return f"No action unit stands out. {STILL[1]}"
    text = ", ".join(f"AU{au}" for au in moves)
    return f"{text}. {described(moves, 6)}"


def conversation(turns: list[tuple[str, str]]) -> list[dict[str, str]]:
    out = []
    for number, (question, answer) in enumerate(turns):
        out += [
            {"from": "human", "value": question + ("\n<image>" if number == 0 else "")},
            {"from": "gpt", "value": answer},
        ]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path, metavar="FACES.csv", help="labelled faces; pictures relative to it")
    parser.add_argument("--priors", type=Path, required=True, help="the folder that learn_expression.py wrote")
    parser.add_argument("--power", type=float, default=0.5, help="0: classes as they are; 1: all alike (default: 0.5)")
    parser.add_argument(
        "--times", type=float, default=1, help="how often the commonest faces are asked for (default: 1)"
    )
    parser.add_argument("--au-times", type=float, default=2, help="how often a face is asked for AUs (default: 2)")
    parser.add_argument("--unread-share", type=float, default=0.05, help="of the samples show the face without a prior")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    layout = read_csv(args.faces, None, "emotion", None)
    landmarks = read_json(args.priors / "landmarks.json", "landmarks")
    counts = Counter(face.label for face in layout.faces)
    most, random = max(counts.values()), np.random.default_rng(args.seed)
    samples, unread = [], []

    def meet(face) -> tuple[str | None, dict[int, float]]:
        """A variant of the face: the file of its prior and the shares of its AUs; (None, {}) where it was not read."""
        if face.image not in landmarks:
            return None, {}
        known = np.load(args.priors / Path(face.image).with_suffix(".npy"))[LANDMARK_NUMBERS:]
        points, scores = moved(np.array(landmarks[face.image]).reshape(68, 2), known, random)
        file = Path(face.image).with_suffix(f".{len(samples)}.npy")
        shape = to_eye_frame(points)
        np.save(args.priors / file, np.concatenate([shape.ravel(), scores]).astype(np.float32))
        measured = measure_landmarks(points, {"brows": True, "eyes": True, "mouth": True})
        return str(file), {} if measured is None else shares(measured)

    def keep(face, task: str, turns: list[tuple[str, str]], prior: str | None) -> None:
        identity = f"{face.image}#{len(samples)}{task}"
        sample = {"id": identity, "image": face.image, "conversations": conversation(turns)}
        if prior is not None:
            sample["landmark"] = prior
        else:
            unread.append({"id": identity, "reason": "left out on purpose" if face.image in landmarks else "no face"})
        samples.append(sample)

    def turn_of(face, task: str, moves: dict[int, bool] | None) -> tuple[str, str]:
        """One question and its answer; the question is the fixed one or an instruction."""
        if task == "against":
            return FOLLOW_UPS["against"], LIMITS[0]
        if task == "why":
            return FOLLOW_UPS["why"], UNREAD if moves is None else described(moves) if moves else STILL[0]
        if task == "emotion" and random.random() < BARE_SHARE:
            return QUESTIONS[task], face.label
        instructions = INSTRUCTIONS[task]
        fixed = random.random() < FIXED_SHARE
        asked = QUESTIONS[task] if fixed else instructions[int(random.integers(len(instructions)))]
        return asked, emotion_answer(face.label, moves) if task == "emotion" else au_answer(moves)

    def ask(face, task: str, unread_share: float) -> None:
        """Keep a conversation that begins with a task's question, and now and then goes on with others."""
        prior, share_of = (None, {}) if random.random() < unread_share else meet(face)
        moves = None if prior is None else movements(share_of)
        tasks = [task]
        if random.random() < LONGER_SHARE:
            others = [other for other in TASKS if other != task]
            tasks += [others[int(n)] for n in random.permutation(len(others))[: int(random.integers(1, 4))]]
        keep(face, task, [turn_of(face, one, moves) for one in tasks], prior)

    held_back = {line.split(",")[0] for line in (args.priors / "held_back.csv").read_text().splitlines()}
    for face in layout.faces:
        if face.image in held_back:
            continue
        copies = args.times * (most / counts[face.label]) ** args.power
        for _ in range(int(copies) + (random.random() < copies - int(copies))):
            ask(face, "emotion", args.unread_share)
        if face.image in landmarks or random.random() < 0.1:
            copies = args.au_times * (1 if face.label in ("Neutral", "Happiness") else 2)
            for _ in range(int(copies) + (random.random() < copies - int(copies))):
                ask(face, "au", args.unread_share / 2)
            ask(face, "why", args.unread_share / 2)
    write_json(args.priors / "data.json", samples)
    (args.priors / "unread.jsonl").write_text("".join(json.dumps(line) + "\n" for line in unread))
    texts = [turn["value"].replace("\n<image>", "") for sample in samples for turn in sample["conversations"]]
    known = [turn["value"] for turn in samples[0]["conversations"]]
    print(
        json.dumps(
            {
                "samples": len(samples),
                "unread": len(unread),
                "words": round(sum(len(t.split()) for t in texts) / len(texts), 1),
                "example": known,
            }
        )
    )


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
