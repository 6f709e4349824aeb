"""How fast `llava-faba score` is, against the `rouge` package that the released scorer uses, on one core.

Makes AU answers of about 200 words, measures the package on some of them and our command, as a process of its own, on
all. Prints both, their ratio and the command's peak memory; the promise is a ratio of at least 20, 20 s and 1 GB.

    python scripts/benchmarks/score.py [--answers 20000] [--package-answers 500] [--json OUT.json]
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import keep, row
from rouge import Rouge

from llava_faba.eval.labels import DATASETS
from llava_faba.vocabulary import AU_NAMES

COMMAND = "import sys; from llava_faba.cli import main; sys.exit(main())"
OPENINGS = [
    "In this picture a person looks into the camera, and several action units can be told apart. These seem active:",
    "Going by the Facial Action Coding System, the face shows a handful of movements. I would name these action units:",
]
WHERE = "inner brows|outer brows|forehead|upper lids|cheeks|nose|upper lip|corners of the mouth|chin|jaw|lips".split(
    "|"
)
HOW = "slightly|clearly|a little|visibly|faintly|strongly|on the left side|on both sides|just".split("|")
MOVES = "raised|drawn together|pulled up|pressed together|tightened|lowered|parted|wrinkled|stretched".split("|")
MEANS = "surprise|a smile|tension|worry|concentration|doubt|effort|joy|disgust|calm attention".split("|")
CLOSINGS = [
    "Taken together these movements point to a person who is attentive, yet one cannot be sure without the context.",
    "As a whole the expression is mild. There is no sign of AU9, and the eyes do not look tired.",
    "The combination is common in conversation, and it may well change within a second, so read it with some care.",
]


def answer(rng: random.Random) -> tuple[str, str]:
    """One description of about 200 words, and its AUs as a label."""
    aus = sorted(rng.sample(DATASETS["faba"].read_aus, rng.randint(4, 7)))
    lines = [
        f"- **AU{au} ({AU_NAMES[au].title()}):** The {rng.choice(WHERE)} are {rng.choice(HOW)} {rng.choice(MOVES)}, "
        f"which could be a sign of {rng.choice(MEANS)} or of {rng.choice(MEANS)}. The {rng.choice(WHERE)} seem "
        f"{rng.choice(MOVES)} as well."
        for au in aus
    ]
    text = "\n".join([rng.choice(OPENINGS), "", *lines, "", *rng.sample(CLOSINGS, 2)])
    return text, ", ".join(map(str, aus))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=20_000)
    parser.add_argument("--package-answers", type=int, default=500)
    parser.add_argument("--json", metavar="OUT.json")
    args = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    rng = random.Random(0)
    samples = []
    for number in range(args.answers):
        (text, _), (reference, label) = answer(rng), answer(rng)
        samples.append(
            {
                "id": str(number),
                "image": f"{number}.jpg",
                "task": "au",
                "question": "What AUs are conveyed by this face?",
            }
            | {"answer": text, "reference": reference, "label": label}
        )
    words = sum(len(sample["answer"].split()) for sample in samples) / len(samples)

    package = Rouge()
    start = time.process_time()
    for sample in samples[: args.package_answers]:
        package.get_scores(sample["answer"], sample["reference"], avg=True)
    package_s = (time.process_time() - start) / args.package_answers * args.answers

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.jsonl"
        path.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
        rules = [flag for name in ("emola", "paper", "strict") for flag in ("--rules", name)]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", COMMAND, "score", str(path), *rules, "--json", f"{path}.json"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wall_s = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {
        "answers": args.answers,
        "words_per_answer": round(words, 1),
        "package_s": round(package_s, 1),  # scaled to all answers
        "score_wall_s": round(wall_s, 1),
        "score_cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "ratio": round(package_s / (used.ru_utime + used.ru_stime), 1),
        "peak_mib": round(used.ru_maxrss / 1024),
    }
    measured = (
        f"{result['ratio']} x the `rouge` package; {result['score_wall_s']} s on one core, {result['peak_mib']} MiB"
    )
    what = f"score {args.answers:,} AU answers of {words:.0f} words, three sets of rules, exact ROUGE-L"
    keep(args.json, [row(what, measured, result["ratio"])], **result)


if __name__ == "__main__":
    main()
