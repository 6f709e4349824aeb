#!/usr/bin/env python
"""Print what ablate.sh has scored beside the paper's numbers.

python scripts/ablation_table.py runs/ablation
"""

import argparse
import sys
from pathlib import Path

from llava_faba.errors import InputError
from llava_faba.eval.ablation import ablation_table

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", type=Path, help="the OUT of ablate.sh")
try:
    print(ablation_table(parser.parse_args().folder))
except InputError as error:
    sys.exit(f"error: {error}")
