"""The one way llava-faba refuses bad input: what we got, what is allowed, what to do.

Every error a user can cause is an `InputError`; the command line prints it in one line and exits with 2, or 3 for a
missing package. What the machine refuses (a full disk, no permission) exits with 4. Any other exception is a fault of
ours and keeps its traceback.
"""

MACHINE = (OSError, MemoryError)  # what is neither the user's fault nor ours


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


def exit_status(error: BaseException) -> int:
    """Return the exit status of an error: 2 unusable input, 3 a missing package, 4 the machine refused."""
    if isinstance(error, MissingDependencyError):
        return 3
    return 2 if isinstance(error, InputError) else 4


def plain_reason(error: BaseException) -> str:
    """Return what to print of an error; for the machine's own in the three parts of ours."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return (
            f"{error.strerror}{where}. The operating system refused to read or write. Finished work is kept: make room "
            "or give the permission, and run the same command again."
        )
    return f"{str(error) or type(error).__name__}. The machine has not enough memory for this. Take less at once."
