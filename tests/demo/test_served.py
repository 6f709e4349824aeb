"""The page's model behind a server: streamed, asked again where it failed, and no more than words."""

from itertools import pairwise

import pytest
from PIL import Image

from llava_faba.demo.photo_faces import SeenFace
from llava_faba.demo.served import served_service_of
from llava_faba.engine import servers as room
from llava_faba.errors import InputError
from llava_faba.faces import Turn
from tests.engine.server import GOOD, Server

pytest.importorskip("openai", reason="asking a server needs the extra [annotate]")
FACE = SeenFace(Image.new("RGB", (32, 32), (90, 60, 200)), None)


@pytest.fixture
def service_of(monkeypatch):
    """service_of(faults) -> (server, service of its model)."""
    monkeypatch.setattr(room, "backoff", lambda tries, failure: 0.01)
    servers = []

    def service_of(faults=lambda number: ""):
        servers.append(Server(faults))
        service = served_service_of([servers[-1].url], None, 64)
        service.start(background=False)
        return servers[-1], service

    yield service_of
    for server in servers:
        server.close()


def test_an_answer_grows_word_by_word_after_earlier_turns(service_of):
    server, service = service_of()
    earlier = [Turn("What emotions are conveyed by this face?", "It shows joy.")]
    parts = list(service.answer(FACE, "Why?", earlier))
    assert parts[-1] in GOOD["emotion"] and len(parts) == len(parts[-1].split(" "))
    assert all(longer.startswith(part) for part, longer in pairwise(parts))
    roles = [(turn["role"], turn["content"]) for turn in server.requests[0]["body"]["messages"]]
    assert [role for role, _ in roles] == ["user", "assistant", "user"]
    assert roles[0][1][0]["text"] == earlier[0].question and roles[1:] == [
        ("assistant", "It shows joy."),
        ("user", "Why?"),
    ]


def test_a_request_that_failed_is_asked_again(service_of):
    server, service = service_of(lambda number: "error" if number < 2 else "")
    assert list(service.answer(FACE, "Why?"))[-1] in GOOD["emotion"] and len(server.requests) == 3


def test_a_server_that_fails_for_good_is_one_clear_error(service_of):
    with pytest.raises(InputError, match="server does not answer: status 500"):
        list(service_of(lambda number: "error")[1].answer(FACE, "Why?"))
    with pytest.raises(InputError, match="refuses a request"):
        list(service_of(lambda number: "bad")[1].answer(FACE, "Why?"))
    with pytest.raises(InputError, match="the answer broke off"):
        list(service_of(lambda number: "half")[1].answer(FACE, "Why?"))


def test_words_are_all_that_it_gives(service_of):
    _, service = service_of()
    assert service.name == "served" and service.state == "ready"
    assert service.probabilities(FACE, "emotion", Turn("Why?", "Joy.")) == {}
    assert not service.can_leave_out_prior()
