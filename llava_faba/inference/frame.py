"""Pictures and clips -> a pandas DataFrame, a row a face: the columns of the table, and the landmarks beside them.

The names are those of Py-Feat's Fex: landmarks x_0 ... x_67 and y_0 ... y_67 in pixels of the picture, Pitch, Roll and
Yaw in degrees, AU01 ... AU43, and the probability of each emotion as happiness, sadness and so on. Py-Feat 2.1.5's
`read_feat` opens the frame's CSV; its `poses` asks for X, Y and Z as well, the head's place, which stays empty here.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from llava_faba.errors import missing_extra
from llava_faba.face.crop import FaceCrop, find_faces
from llava_faba.face.landmarks import N_LANDMARKS
from llava_faba.face.measures import measure_crop
from llava_faba.inference.columns import answer_cells, columns, evidence_cells, face_cells, where_cells
from llava_faba.inference.describer import Describer, Request
from llava_faba.inference.inputs import find_files, see_files
from llava_faba.inference.people import People
from llava_faba.inference.photos import answers_about
from llava_faba.inference.table import NOBODY
from llava_faba.starter.folder import chosen_model
from llava_faba.vocabulary import EMOTIONS

if TYPE_CHECKING:
    from pandas import DataFrame

TASKS = ("emotion", "au")
LANDMARK_COLUMNS = tuple(f"{axis}_{number}" for axis in "xy" for number in range(N_LANDMARKS))
PLACE = ("X", "Y", "Z")  # empty
IDENTITY = "Identity"  # of a clip's faces, as Py-Feat writes it: Person_0, Person_1, ...
EMOTION_COLUMNS = {f"p_{emotion.lower()}": emotion.lower() for emotion in EMOTIONS}


def read_faces(
    paths: str | Path | Sequence[str | Path],
    model_path: str | Path | None = None,
    model_base: str | Path | None = None,
    *,
    probabilities: bool = True,
    evidence: bool = False,
    fps: float = 1.0,
    batch_size: int = 16,
    **loading: Any,
) -> "DataFrame":
    """Read every face of pictures, folders, globs and clips; return a row a face, without a model path the starter's.

    Clips are read at `fps` frames a second; `Identity` says which rows of a clip are one person's. A picture without a
    face is a row whose `unread` says why. `evidence` adds what the landmarks measure and how many sentences
    they support and contradict. `loading` goes to `llava_faba.load`. Needs pandas.

    >>> read_faces("face.jpg")[["emotion", "happiness", "AU12", "Yaw"]]  # doctest: +SKIP
         emotion  happiness  AU12   Yaw
    0  Happiness       0.93     1  -3.1
    """
    try:
        import pandas
    except ImportError as error:
        raise missing_extra("pandas", "table", "read_faces") from error
    files = find_files([str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)])
    describer = Describer.from_pretrained(chosen_model(model_path), model_base, batch_size=batch_size, **loading)
    request = Request.of_tasks(TASKS, with_probabilities=probabilities, with_evidence=evidence)
    waiting, rows = _rows(files, fps), []
    while batch := list(islice(waiting, batch_size)):
        able = [Image.fromarray(face.pixels) for _, face in batch if face is not None]
        answers = iter(answers_about(describer, describer.prepare_faces(able), request) if able else ())
        rows += [cells if face is None else cells | _said(face, next(answers), evidence) for cells, face in batch]
    names = [*columns(TASKS, probabilities, evidence), *LANDMARK_COLUMNS, *PLACE, IDENTITY]
    return pandas.DataFrame(rows, columns=names).rename(columns=EMOTION_COLUMNS)


def _said(face: FaceCrop, answers: Sequence[dict[str, Any]], evidence: bool) -> dict[str, Any]:
    return (evidence_cells(answers, measure_crop(face)) if evidence else {}) | answer_cells(answers)


def _rows(files: Sequence[Path], fps: float) -> Iterator[tuple[dict[str, Any], FaceCrop | None]]:
    """The cells of each face before it is answered, and the face; None where there is no face."""
    clips: dict[str, People] = defaultdict(People)
    for sighting in see_files(files, fps):
        cells = where_cells(sighting)
        found = [] if sighting.pixels is None else find_faces(sighting.pixels)
        if not found:
            yield {**cells, "unread": cells["unread"] or NOBODY}, None
        is_clip = sighting.time is not None
        people = clips[sighting.name].follow([face.box for face in found]) if is_clip else [None] * len(found)
        for number, (face, person) in enumerate(zip(found, people, strict=True)):
            points = (face.landmarks_px * sighting.scale).round(2).T.ravel().tolist()
            landmarks = dict(zip(LANDMARK_COLUMNS, points, strict=True))
            identity = {} if person is None else {IDENTITY: f"Person_{person}"}
            cells_of_face = face_cells(face, sighting.scale) | landmarks | identity
            yield {**cells, "face_id": number, **cells_of_face}, face
