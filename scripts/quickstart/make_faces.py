"""Cut the quickstart's faces out of pictures that installed packages carry, and write their annotations beside them.

annotations.json describes each face, in the order from left to right; `at` is about its centre, in pixels. OUT gets
images/, train.json (both tasks), eval_emotion.json and eval_au.json. The photos stay where they are: none is shipped.
  python scripts/quickstart/make_faces.py OUT
"""

import sys
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from llava_faba.data.prompts import QUESTIONS
from llava_faba.errors import InputError
from llava_faba.face.crop import find_faces
from llava_faba.face.images import read_pixels
from llava_faba.files import read_json, write_json

ANNOTATIONS = Path(__file__).with_name("annotations.json")


def main(out: Path) -> None:
    train, evaluation = [], {task: [] for task in QUESTIONS}
    (out / "images").mkdir(parents=True, exist_ok=True)
    for photo, faces in read_json(ANNOTATIONS, "annotation file").items():
        crops = find_faces(read_pixels(installed(photo)), quality=False)
        for order, face in enumerate(faces):
            name, (x, y) = f"{Path(photo).stem}_{order}", face["at"]
            image = f"images/{name}.png"
            held = [c for c in crops if c.box.left <= x < c.box.right and c.box.top <= y < c.box.bottom]
            if not held:
                sys.exit(f"No face was found at {face['at']} in {photo}. Use the package versions of quickstart.sh.")
            Image.fromarray(held[0].pixels).save(out / image)
            for task, question in QUESTIONS.items():
                turns = (("human", f"{question}\n<image>"), ("gpt", face[task]["text"]))
                conversation = [{"from": role, "value": value} for role, value in turns]
                train.append({"id": f"{task}/{name}", "image": image, "conversations": conversation})
                sample = {"id": name, "image": image, "label": face[task]["label"], "gpt4": face[task]["text"]}
                evaluation[task].append(sample)
    write_json(out / "train.json", train)
    for task, samples in evaluation.items():
        write_json(out / f"eval_{task}.json", samples)
    print(f"{out}: {len(train) // 2} faces, {len(train)} training samples")


def installed(photo: str) -> Path:
    """Return the path of a file in an installed package, which is not imported."""
    package, inside = photo.split("/", 1)
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"The package {package}, whose {inside} is needed, is not installed. Run scripts/quickstart.sh.")
    return Path(next(iter(spec.submodule_search_locations))) / inside


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except InputError as error:
        sys.exit(str(error))
