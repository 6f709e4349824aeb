"""The one way llava-faba refuses bad input: what we got, what is allowed, what to do.

Every error a user can cause is an `InputError`; the command line prints it in one line and exits with 2, and any other
exception is a fault of ours and keeps its traceback.
"""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The three parts are whole sentences: `got` names the file, sample, key or flag and what was found; `allowed` says
    what is expected there; `remedy` says what to do.
    """

    def __init__(self, got: str, allowed: str, remedy: str):
        self.got, self.allowed, self.remedy = got, allowed, remedy
        super().__init__(f"{got} {allowed} {remedy}")

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str]]:
        return type(self), (self.got, self.allowed, self.remedy)  # so that it survives the way out of a worker process


class MissingFileError(InputError, FileNotFoundError):
    """A file or folder that the user named is not there."""

    def __str__(self) -> str:  # FileNotFoundError would print its arguments as a tuple
        return f"{self.got} {self.allowed} {self.remedy}"


class MissingDependencyError(InputError, ImportError):
    """A package that this step needs is not installed."""


def missing_extra(package: str, extra: str, purpose: str) -> MissingDependencyError:
    """Say which extra brings `package`, which `purpose` needs."""
    return MissingDependencyError(
        f"{purpose} needs the package {package}, which is not installed here.",
        f"It is part of the extra [{extra}].",
        f"Install it with: pip install 'llava-faba[{extra}]'",
    )
