"""Answers for tests: lines as `describe` writes them."""

import json

from llava_faba import cli

EMOTIONS = ["Happiness", "Sadness", "Surprise", "Anger", "Neutral", "Disgust", "Fear"]


def emotion_line(number, answer="She looks happy.", label="Happiness", **changes):
    """An answered emotion question."""
    return {
        "id": f"face-{number}",
        "image": f"{number}.jpg",
        "task": "emotion",
        "question": "What emotions are conveyed by this face?",
        "answer": answer,
        "reference": "A happy face with raised cheeks.",
        "label": label,
    } | changes


def au_line(number, answer="AU6 and AU12 are active.", label="6, 12", **changes):
    """An answered AU question."""
    asked = {"task": "au", "question": "What AUs are conveyed by this face?", "reference": "AU6 and AU12: a smile."}
    return emotion_line(number, answer, label, **(asked | changes))


def write_lines(path, lines):
    """Write lines as JSON; a text is written as it is."""
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def random_lines(rng, count, right=0.7):
    """Emotion answers of which a share is right."""
    lines = []
    for number in range(count):
        label = rng.choice(EMOTIONS)
        said = label if rng.random() < right else rng.choice(EMOTIONS)
        lines.append(emotion_line(number, f"The face shows {said.lower()}.", label))
    return lines


def scored(capsys, *arguments):
    """What `score --json` prints, read."""
    status = cli.main(["score", *map(str, arguments), "--json"])
    output = capsys.readouterr()
    assert status == 0, output.err
    return json.loads(output.out)


def refused(capsys, *arguments):
    """What `score` says when it refuses its input."""
    assert cli.main(["score", *map(str, arguments)]) == 2
    return capsys.readouterr().err
