#!/usr/bin/env python
"""Learn what is usual in faces, for the evidence of photos, from a CSV of labelled faces (columns image, label).

The shipped norms: python scripts/learn_norms.py faces/train.csv --json llava_faba/evidence/norms.json --source "..."
"""

import argparse
import json
import re
import sys
from pathlib import Path

from tqdm import tqdm

from llava_faba.data.convert import read_csv
from llava_faba.errors import InputError
from llava_faba.evidence.norms import learn_norms
from llava_faba.face.images import read_pixels
from llava_faba.face.measures import measure_photo
from llava_faba.files import write_atomically

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("faces", type=Path, metavar="FACES.csv", help="labelled faces; pictures relative to it")
parser.add_argument("--source", required=True, help="the collection and its licence; written into the norms")
parser.add_argument("--json", default="-", metavar="OUT", help="where the norms go (default: -, stdout)")
args = parser.parse_args()
try:
    layout = read_csv(args.faces, None, "emotion", None)
    faces = [(measure_photo(read_pixels(layout.image_root / face.image)), face.label) for face in tqdm(layout.faces)]
    norms = learn_norms(faces, args.source)
except InputError as error:
    sys.exit(f"error: {error}")
text = re.sub(r"\n\s+(?=-?[\d.]+,?\n|\])", " ", json.dumps(norms, indent=1))  # a measure a line
print(text) if args.json == "-" else write_atomically(args.json, text + "\n")
