"""One visitor's work on one photo: its faces, the chosen one, the conversation, and what can be taken home of it."""

import io
import secrets
from pathlib import Path
from typing import Any

from llava_faba import __version__
from llava_faba.demo.guard import uploads_folder
from llava_faba.demo.photo_faces import SeenFace, au_name, draw_face, labels_of, warnings_of
from llava_faba.demo.service import Service
from llava_faba.faces import Turn
from llava_faba.files import write_atomically, write_json

NOTE = "A model's reading of one picture. Not for decisions about people; see the page's limits."


class Visit:
    """What a visitor has before them; a new photo is a new visit. (No dataclass: Gradio would take it apart.)"""

    def __init__(self, faces: list[SeenFace] | None = None):
        self.faces = faces or []
        self.chosen = 0
        self.turns: list[Turn] = []
        self.chances: dict[str, dict[str, float]] = {}  # task -> label -> probability
        self.token = secrets.token_hex(16)  # its folder's name, which nobody can guess

    @property
    def face(self) -> SeenFace:
        return self.faces[self.chosen]

    def choose(self, index: int) -> None:
        """Turn to another face; the conversation about the last one ends."""
        self.chosen, self.turns, self.chances = index, [], {}

    def record(self, service: Service) -> dict[str, Any]:
        """Everything about the chosen face as JSON."""
        found = labels_of(self.turns)
        return {
            "llava_faba": __version__,
            "model": service.name,
            "prior": service.prior_name if service.state == "ready" else None,
            "face": {"index": self.chosen, "of": len(self.faces), **self.face.record},
            "warnings": warnings_of(self.face),
            "conversation": [{"question": turn.question, "answer": turn.answer} for turn in self.turns],
            "recognised": {**found, "au_names": [au_name(number) for number in found["aus"]]},
            "probabilities": self.chances,
            "note": NOTE,
        }

    def save(self, service: Service, landmarks: bool, regions: bool) -> tuple[str, str]:
        """Write the record and the picture with what is drawn on it; return their paths."""
        folder = uploads_folder() / "results" / self.token
        aus = labels_of(self.turns)["aus"] if regions else []
        picture = io.BytesIO()
        draw_face(self.face, landmarks, aus).save(picture, "PNG")
        record = write_json(Path(folder, f"face-{self.chosen + 1}.json"), self.record(service))
        return str(record), str(write_atomically(Path(folder, f"face-{self.chosen + 1}.png"), picture.getvalue()))
