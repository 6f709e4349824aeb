"""The Space's entry: the page of llava-faba on the model that the Space's variables name, or on the starter.

LLAVA_FABA_MODEL is a folder, or a repository of the hub with LLAVA_FABA_REVISION, its commit (40 hex digits);
LLAVA_FABA_BASE and LLAVA_FABA_BASE_REVISION are the same for the base of a LoRA checkpoint. LLAVA_FABA_CLIP_MODEL and
LLAVA_FABA_CLIP_BASE are folders of a model that assesses clips, and of its base.
"""

import os
from importlib.util import find_spec

if find_spec("spaces"):  # ZeroGPU: it must come before torch
    import spaces  # noqa: F401

from llava_faba.demo.launch import launch
from llava_faba.demo.models import from_environment

if __name__ == "__main__":
    service, clips = from_environment()
    launch(
        service,
        clips=clips,
        host=os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"),
        port=int(os.environ.get("GRADIO_SERVER_PORT", 7860)),
    )
