"""Who is who over the frames of one clip: a face goes on as the person whose last box it overlaps most.

Places alone decide, not looks: after a cut, or where two people change places between two frames that are read, the
numbers may be wrong. `assess` follows one face by its looks too (motion/tracking.py).
"""

from collections.abc import Sequence

from llava_faba.face.detectors import FaceBox
from llava_faba.motion.tracking import overlap

LEAST = 0.15  # a face that moved sideways by three quarters of its width overlaps so much with where it was


class People:
    """The people of one clip, numbered from 0 as they appear.

    >>> people = People()
    >>> people.follow([FaceBox(0, 0, 10, 10, 1.0), FaceBox(50, 0, 60, 10, 1.0)])
    [0, 1]
    >>> people.follow([FaceBox(52, 0, 62, 10, 1.0), FaceBox(80, 0, 90, 10, 1.0)])
    [1, 2]
    """

    def __init__(self) -> None:
        self._last: list[FaceBox] = []  # where each person was seen last

    def follow(self, boxes: Sequence[FaceBox]) -> list[int]:
        """Return the number of each face's person; no two faces of a frame are one person's."""
        near = sorted(
            (
                (-overlap(box, last), person, face)
                for face, box in enumerate(boxes)
                for person, last in enumerate(self._last)
            )
        )
        numbers: dict[int, int] = {}
        for apart, person, face in near:
            if -apart >= LEAST and face not in numbers and person not in numbers.values():
                numbers[face] = person
        for face, box in enumerate(boxes):
            if face not in numbers:
                numbers[face] = len(self._last)
                self._last.append(box)
            self._last[numbers[face]] = box
        return [numbers[face] for face in range(len(boxes))]
