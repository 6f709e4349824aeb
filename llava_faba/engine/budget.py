"""What a run may cost, and what it has cost: tokens and money, reserved before a request and settled after it.

A request is sent only when what was spent, what is in flight at its worst, and its own worst case fit into the limit
together. What a request may have cost without our knowing (a broken connection, a kill) stays charged at its worst.
"""

import threading
from dataclasses import dataclass

from llava_faba.errors import InputError

TEXT_TOKENS = 200  # of an instruction with its chat template, at most; ours have up to 100 characters
IMAGE_TOKENS = 1105  # what OpenAI's models count for the largest picture at high detail, 85 + 6 x 170 tokens
# https://platform.openai.com/docs/guides/images-vision#calculating-costs
MARGIN = 1.25  # prompts are reserved at the longest that was counted so far, and a quarter more
PER = 1_000_000  # prices are per million tokens


@dataclass(frozen=True)
class Usage:
    """Tokens of a request, as the endpoint counts them."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.prompt + other.prompt, self.completion + other.completion)


@dataclass(frozen=True)
class Limits:
    """What a run may spend; None: no limit of this kind. Prices are in USD per million tokens."""

    usd: float | None = None
    tokens: int | None = None
    price_in: float | None = None
    price_out: float | None = None

    def __post_init__(self) -> None:
        if (self.usd is not None) and None in (self.price_in, self.price_out):
            raise InputError(
                "--budget is given without --price-in and --price-out.",
                "A limit in money needs both prices, in USD per million tokens.",
                "Give both prices, or a limit in tokens with --budget-tokens.",
            )
        for flag, value in (("--budget", self.usd), ("--budget-tokens", self.tokens)):
            if value is not None and not value > 0:
                raise InputError(f"{flag} is {value}.", "It is above 0.", "Give what may be spent at most.")
        for flag, value in (("--price-in", self.price_in), ("--price-out", self.price_out)):
            if value is not None and not value >= 0:
                raise InputError(f"{flag} is {value}.", "It is 0 or more.", "Give USD per million tokens.")

    def cost(self, usage: Usage) -> float | None:
        """Return what tokens cost in USD; None where the prices are not known."""
        if self.price_in is None or self.price_out is None:
            return None
        return (usage.prompt * self.price_in + usage.completion * self.price_out) / PER

    def allow(self, usage: Usage) -> bool:
        """Tell whether so many tokens lie within the limits."""
        cost = self.cost(usage)
        within_usd = self.usd is None or (cost is not None and cost <= self.usd)
        return within_usd and (self.tokens is None or usage.prompt + usage.completion <= self.tokens)


class Budget:
    """The limits and what was spent, shared by all threads of a run.

    >>> budget = Budget(Limits(tokens=2000), max_completion=300)
    >>> worst = budget.reserve()  # waits while others are in flight that may leave room; None: the limit is reached
    >>> budget.settle(worst, Usage(400, 80), answered=True)
    >>> budget.spent
    Usage(prompt=400, completion=80)
    """

    def __init__(self, limits: Limits, max_completion: int, spent: Usage = Usage(), longest_prompt: int = 0):
        self.limits, self.max_completion = limits, max_completion
        self.spent, self.longest_prompt = spent, longest_prompt  # 0: no prompt was counted yet
        self._reserved: list[Usage] = []
        self._one_by_one = not longest_prompt  # until an answer shows how the endpoint counts
        self._changed = threading.Condition()

    def worst_case(self) -> Usage:
        """Return what one more request may cost at most."""
        known = int(self.longest_prompt * MARGIN) if self.longest_prompt else TEXT_TOKENS + IMAGE_TOKENS
        return Usage(known, self.max_completion)

    def reserve(self) -> Usage | None:
        """Reserve one request's worst case; None where the limit leaves no room for it.

        Until the first answer requests go one by one: only then is it known how the endpoint counts a prompt.
        """
        with self._changed:
            while True:
                worst = self.worst_case()
                total = sum(self._reserved, self.spent) + worst
                if self.limits.allow(total) and not (self._one_by_one and self._reserved):
                    self._reserved.append(worst)
                    return worst
                if not self._reserved:
                    return None
                self._changed.wait()

    def settle(self, reserved: Usage, used: Usage, answered: bool = False) -> None:
        """Put what a request has cost in the place of what was reserved for it."""
        with self._changed:
            self._reserved.remove(reserved)
            self.spent += used
            if answered:
                self._one_by_one = False
                self.longest_prompt = max(self.longest_prompt, used.prompt if used != reserved else 0)
            self._changed.notify_all()
