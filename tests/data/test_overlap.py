"""What two sets of faces share: pictures, also under other names, and people."""

from dataclasses import replace
from pathlib import Path

import pytest

from llava_faba.data.overlap import overlap_of, refuse_overlap
from llava_faba.errors import InputError
from llava_faba.faces import FaceSample


@pytest.fixture
def face(tmp_path):
    """face(name, content, subject) -> a sample whose picture is a file of that content."""

    def make(name: str, content: bytes, subject: str | None = None) -> FaceSample:
        path = Path(tmp_path / name)
        path.write_bytes(content)
        return FaceSample(id=name, image=name, image_path=path, subject=subject)

    return make


def test_the_same_picture_is_found_by_path_and_by_content_and_a_person_by_name(face):
    training = [face("a", b"one"), face("b", b"two", "Ann"), replace(face("t", b""), image_path=None)]
    same, copy, other, person = training[0], face("c", b"two"), face("d", b"six"), face("e", b"longer", "Ann")
    found = overlap_of([same, copy, other, person], training)
    assert (found.pictures, found.subjects) == (("a", "c"), ("Ann",))
    assert found.sentence == "2 pictures (a, c) and 1 people (Ann)"
    assert overlap_of([other], training).sentence == ""


def test_shared_faces_are_refused_and_where_allowed_a_warning(face, capsys):
    found = overlap_of([face("a", b"one")], [face("b", b"one")])
    with pytest.raises(InputError, match=r"share 1 pictures \(a\)\..*llava-faba split"):
        refuse_overlap(found, allowed=False)
    refuse_overlap(found, allowed=True)
    assert "warning: The validation set and the training set share 1 pictures (a)." in capsys.readouterr().err
    refuse_overlap(overlap_of([], []), allowed=False)
