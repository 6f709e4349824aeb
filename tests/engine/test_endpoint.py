"""What an endpoint's headers ask for, how its budget is kept, and what counts as paid."""

import threading
import time

import pytest

from llava_faba.engine.budget import Budget, Limits, Usage
from llava_faba.engine.endpoint import Endpoint
from llava_faba.engine.replies import Failure, Reply, backoff, limit_reset, retry_after
from llava_faba.errors import InputError

pytest.importorskip("openai", reason="asking an endpoint needs the extra [annotate]")


def test_rate_limit_headers_are_read_as_providers_write_them():
    assert retry_after({"retry-after": "7"}) == 7 and retry_after({"retry-after-ms": "250"}) == 0.25
    assert (
        retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0 and retry_after({"retry-after": "x"}) is None
    )
    used_up = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0.5s"}
    assert limit_reset(used_up) == 360.5
    assert limit_reset({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m"}) is None


def test_waits_grow_and_what_the_endpoint_asks_for_wins():
    assert all(0 <= backoff(tries, Failure("", False)) <= 2 ** (tries - 1) for tries in range(1, 6))
    assert backoff(1, Failure("", False, wait=3.0)) == 3.0


@pytest.mark.parametrize(
    "fault, paid", [("rate", False), ("error", False), ("half", None), ("close", None), ("garbage", None)]
)
def test_what_may_have_been_paid_is_not_called_free(serve, pictures, fault, paid):
    server = serve(lambda n: fault)
    (picture,) = pictures(1).iterdir()
    result = Endpoint(server.url, "m", 50).ask("Which emotion?", picture, "x")
    assert isinstance(result, Failure) and result.paid is paid and not result.fatal


def test_a_whole_answer_carries_the_models_name_and_what_was_counted(serve, pictures):
    server = serve(tokens=(321, 12))
    (picture,) = pictures(1).iterdir()
    result = Endpoint(server.url, "m", 50).ask("Which emotion?", picture, "x")
    assert isinstance(result, Reply) and result.usage == Usage(321, 12) and result.model == "m-2026-01-01"
    assert server.requests[0]["body"]["max_tokens"] == 50


def test_another_machine_needs_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InputError, match="has no OPENAI_API_KEY"):
        Endpoint("https://api.example.com/v1", "m", 50)
    with pytest.raises(InputError, match="--endpoint"):
        Endpoint("localhost:8000", "m", 50)


def test_threads_together_never_reserve_more_than_the_limit():
    budget = Budget(Limits(tokens=10_000), max_completion=100, longest_prompt=400)
    spent = []

    def work():
        while (reserved := budget.reserve()) is not None:
            assert sum(u.prompt + u.completion for u in budget._reserved) + budget.spent.prompt <= 10_000
            time.sleep(0.001)
            budget.settle(reserved, Usage(450, 90), answered=True)
            spent.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = budget.spent.prompt + budget.spent.completion
    assert 9_000 < total <= 10_000 and total == 540 * len(spent)
