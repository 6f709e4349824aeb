"""Prompts are data: they change on purpose or not at all."""

import json
import re
from pathlib import Path

from llava_faba.data.prompts import INSTRUCTIONS, QUESTIONS
from tests.conftest import shared_path

SNAPSHOT = Path(__file__).with_name("prompts.json")


def words(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def test_prompts_are_those_of_the_snapshot():
    """After a change that is meant, write the snapshot anew: `python -m tests.data.test_prompts`."""
    assert json.loads(SNAPSHOT.read_text()) == snapshot()


def test_each_task_has_100_instructions_and_no_two_are_alike():
    for instructions in INSTRUCTIONS.values():
        assert len({words(text) for text in instructions}) == len(instructions) == 100


def test_no_instruction_is_one_that_the_paper_prints():
    printed = re.findall(r'^- "(.*?)"', shared_path("reference", "paper_faba_supplement.md").read_text(), re.MULTILINE)
    assert len(printed) == 36
    assert not {words(text) for text in printed} & {words(text) for texts in INSTRUCTIONS.values() for text in texts}


def test_instructions_hold_no_image_mark_and_no_line_break():
    assert not [text for texts in INSTRUCTIONS.values() for text in texts if re.search(r"[<>\n]", text)]


def snapshot() -> dict:
    return {"questions": dict(QUESTIONS), "instructions": {task: list(texts) for task, texts in INSTRUCTIONS.items()}}


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(snapshot(), indent=1) + "\n")
