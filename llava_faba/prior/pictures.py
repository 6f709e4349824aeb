"""Annotation file -> its pictures, each with the samples that show it and the prior file each sample gets."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError
from llava_faba.files import resolve_inside
from llava_faba.images import SUFFIXES

LONGEST_NAME = 240  # bytes: what file systems take, less the endings


@dataclass
class Picture:
    """One picture of the data set, and the ids of the samples that show it."""

    path: str  # resolved, inside the image root
    ids: list[str] = field(default_factory=list)


def prior_name(identity: str) -> str:
    """Return the name of a sample's prior file, relative to its store: the id without a picture's ending."""
    stem, ending = os.path.splitext(os.path.normpath(identity))
    return f"{stem if ending.lower() in SUFFIXES else stem + ending}.npy"


def sample_identity(entry: dict[str, Any]) -> str:
    """A sample's id: its `id`, else its `image`."""
    for key in ("id", "image"):
        if isinstance(entry.get(key), str | int) and str(entry[key]):
            return str(entry[key])
    return ""


def annotated_pictures(entries: Any, data: Path, image_root: Path, out: Path) -> list[Picture]:
    """Return the pictures of the annotations in their order, each with its samples; InputError names a bad sample."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries) or not entries:
        raise InputError(
            f"The annotation file {data} is not a list of samples.",
            'It must be a FABA-Instruct file: [{"id", "image", ...}, ...].',
            "Give the annotation file of a data set.",
        )
    resolver = _Resolver(image_root)
    pictures: dict[str, Picture] = {}
    files: dict[str, tuple[str, str]] = {}
    for number, entry in enumerate(entries, start=1):
        image, identity = entry.get("image"), sample_identity(entry)
        if image is None:
            continue
        if not isinstance(image, str) or not image or len(os.fsencode(os.path.basename(identity))) > LONGEST_NAME:
            raise InputError(
                f"Sample {identity!r} (entry {number}) of {data} has the image {image!r}.",
                f"`image` is a path relative to the image root, an id has at most {LONGEST_NAME} bytes.",
                "Correct the sample.",
            )
        path = resolver(image, identity)
        if ".." in identity or identity.startswith("/") or "\0" in identity:
            resolve_inside(out, prior_name(identity), identity)
        other, place = files.setdefault(prior_name(identity), (identity, path))
        if place != path:
            raise InputError(
                f"Two pictures of {data} would have the prior file {prior_name(identity)}: the samples {other!r} "
                f"({os.path.basename(place)}) and {identity!r} ({os.path.basename(path)}).",
                "A prior file is named by the sample's `id`, else its `image`, without its ending.",
                "Give them ids of their own.",
            )
        picture = pictures.setdefault(path, Picture(path))
        if identity not in picture.ids:
            picture.ids.append(identity)
    return list(pictures.values())


class _Resolver:
    """`resolve_inside` for many pictures: what a folder resolves to is looked up once."""

    def __init__(self, root: Path):
        self._root = root.resolve()
        self._folders: dict[str, str] = {}

    def __call__(self, image: str, identity: str) -> str:
        folder, name = os.path.split(image)
        if folder not in self._folders:
            self._folders[folder] = str(resolve_inside(self._root, folder, identity))
        path = f"{self._folders[folder]}/{name}"
        if name in ("", ".", "..") or "\0" in name or os.path.islink(path):
            return str(resolve_inside(self._root, image, identity))
        return path
