"""All metadata of llava-faba; pyproject.toml holds only the settings of tools."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "llava_faba" / "__init__.py").read_text()).group(1)

# What runs a model. LLaVA itself is installed apart, with --no-deps: its wheel pins torch 2.0.1 and transformers
# 4.36.2, and a checkout's distribution has another name, so a requirement on either would lay a second copy over the
# user's own.
MODEL = [
    "torch>=2.6",
    # Between 4.37.2 and 5.4 LLaVA's generate fails (llava_faba/host/compat.py).
    "transformers>=4.37.2," + ",".join([f"!=4.{n}.*" for n in range(38, 58)] + [f"!=5.{n}.*" for n in range(4)]),
    "accelerate>=0.21",
    "peft>=0.8.2",
    "sentencepiece>=0.2",
    "protobuf>=3.20",
    "einops>=0.6",
    "packaging",
    "requests",
    "safetensors>=0.4",
    "jaxtyping>=0.2.30",
]
DLIB = ["dlib-bin>=20.0", "face_recognition_models>=0.3"]
EXTRAS = {
    "dlib": DLIB,
    "insightface": ["insightface>=2.1", "onnx>=1.16", "onnxruntime>=1.18"],
    "mediapipe": ["mediapipe>=1.2"],
    "annotate": ["openai>=1.40", "ImageHash>=4.3", *DLIB],
    "quantised": ["bitsandbytes>=0.49"],
    "train": [*MODEL, "deepspeed>=0.16"],
    "video": ["av>=14.1", *DLIB, "sacrebleu>=2.4"],
    # In an environment of its own: vLLM pins torch and transformers. serving/versions.py says which versions are known.
    "vllm": ["vllm==0.32.*", "jaxtyping>=0.2.30", *DLIB],
    "ray": ["ray[data]>=2.60,<3"],
    "table": ["pandas>=2.0"],
    "demo": [*MODEL, *DLIB, "gradio>=6.31,<6.32", "av>=14.1"],
    "dev": [
        "pytest>=8",
        "ruff>=0.8",
        "jaxtyping>=0.2.30",
        "beartype>=0.18",
        "hypothesis>=6.100",
        "rouge==1.0.1",
        "rouge-score==0.1.2",
        "scikit-learn>=1.2",
        "shortuuid",
        "build",
        "twine",
        "pre-commit",
    ],
}

setup(
    name="llava-faba",
    version=VERSION,
    description="Teach haotian-liu LLaVA to read faces: EmoLA's facial prior and FABA-Bench, TraMP-LLaMA's clips",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[*find_packages(include=["llava_faba", "llava_faba.*"]), "llava_faba.patches"],
    package_dir={"llava_faba.patches": "patches"},
    package_data={
        "llava_faba.eval": ["published.csv", "lmms_tasks/*"],
        "llava_faba.evidence": ["norms.json"],
        "llava_faba.engine": ["sheet.html"],
        "llava_faba.patches": ["series", "*.patch", "README.md"],
        "llava_faba.serving": ["*.jinja"],
        "llava_faba.starter": ["CARD.md", "expression.safetensors", "model/*", "model/clip/*"],
        "llava_faba.demo": ["examples/*.jpg", "examples/*.md"],
    },
    install_requires=[
        "numpy>=1.24",
        "pillow>=10.0",
        "tqdm>=4.60",
        "scipy>=1.10",
        "rapidfuzz>=3.6",
        "rouge-score>=0.1.2",
        "matplotlib>=3.7",
    ],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": ["llava-faba = llava_faba.cli:main"],
        "llava.plugins": ["faba = llava_faba.plugin:attach"],
        "vllm.general_plugins": ["llava_faba = llava_faba.serving.plugin:register"],
    },
    classifiers=[
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
    ],
)
