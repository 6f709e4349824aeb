#!/usr/bin/env python
"""Train a tiny LLaVA from scratch on a CSV of labelled faces (columns image, label), with a facial prior or without.

python scripts/learn_faces.py --train faces/train.csv --eval faces/eval.csv --prior dlib_68 --json with.json
python scripts/learn_faces.py --train faces/train.csv --eval faces/eval.csv --prior none --json without.json
python scripts/learn_faces.py --train faces/train.csv --eval faces/eval.csv --validation 0.1 --validation-steps 50
"""

import argparse
import json
import sys
from pathlib import Path

from trial import learn_faces

from llava_faba.errors import InputError
from llava_faba.files import write_json

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--train", type=Path, required=True, help="CSV of faces; pictures relative to it")
parser.add_argument("--eval", type=Path, required=True, help="CSV of faces the model has not seen")
parser.add_argument("--prior", default="dlib_68", help="a facial prior, or none (default: dlib_68)")
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
parser.add_argument("--validation", type=float, default=0.0, metavar="SHARE", help="of the training faces, held out")
parser.add_argument("--validation-steps", type=int, help="validate every so many steps (default: as in training)")
parser.add_argument("--folder", type=Path, help="keep the runs here (default: a temporary folder)")
parser.add_argument("--json", default="-", metavar="OUT", help="where the numbers go (default: -, stdout)")
args = parser.parse_args()
try:
    result = learn_faces(
        args.train, args.eval, args.prior, args.seeds, args.folder, args.validation, args.validation_steps
    )
except InputError as error:
    sys.exit(f"error: {error}")
print(json.dumps(result, indent=1)) if args.json == "-" else write_json(args.json, result)
