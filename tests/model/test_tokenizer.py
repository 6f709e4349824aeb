"""A tokenizer that cannot be read says why."""

import subprocess
import sys

import pytest

from llava_faba.host.compat import transformers_version
from tests.conftest import REPOSITORY

CLASH = """
import sys

class OlderProtobuf:
    '''What protobuf 6 does when sentencepiece 0.2.3 brings a module that protobuf 7 generated.'''
    def find_spec(self, name, path=None, target=None):
        if name == "sentencepiece.sentencepiece_model_pb2":
            raise RuntimeError("Detected incompatible Protobuf Gencode/Runtime versions: runtime 6.33.2.")

sys.meta_path.insert(0, OlderProtobuf())
from llava_faba.model.tokenizer import load_tokenizer
load_tokenizer(sys.argv[1])
"""


def test_a_clash_of_sentencepiece_and_protobuf_is_named(tiny_llava):
    """lmms-eval brings wandb, which keeps protobuf at 6; transformers then asks for tiktoken, which would not help."""
    if transformers_version() < (5, 0, 0):
        pytest.skip("transformers 4.37 has a module of its own for it")
    command = [sys.executable, "-c", CLASH, str(tiny_llava)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert ran.returncode == 1 and "two installed versions do not fit" in ran.stderr, ran.stderr[-2000:]
    assert "runtime 6.33.2" in ran.stderr
