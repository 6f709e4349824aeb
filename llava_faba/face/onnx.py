"""ONNX file -> session: open a network on one thread of the CPU, or say what is wrong with its file.

One thread, because a face network of a million parameters runs faster so (0.3 ms against 0.8 ms on two), and because
the pictures, not the layers, are shared out between cores.
"""

from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingDependencyError, missing_extra


def open_session(model_file: Path, role: str, side: int | None, outputs: int | None) -> Any:
    """Open an ONNX file; InputError unless it maps one picture (1, 3, side, side) to (1, outputs).

    None for `side` or `outputs` leaves that open; `role` says in errors what the file is for.
    """
    onnxruntime = import_insightface()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(model_file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class but this one
        raise InputError(
            f"The model file {model_file} of {role} cannot be opened: {str(error).splitlines()[0]}",
            "It must be a whole ONNX file.",
            "Get it again; `llava-faba models list` says where from.",
        ) from error
    taken, given = [i.shape for i in session.get_inputs()], [o.shape for o in session.get_outputs()]
    if not (_fits(taken, (1, 3, side, side)) and (outputs is None or _fits(given, (1, outputs)))):
        size = side or "side"
        raise InputError(
            f"The model file {model_file} of {role} maps {taken} to {given}.",
            f"It must map one picture [1, 3, {size}, {size}]" + (f" to [1, {outputs}]." if outputs else "."),
            "Check that it is the right file: llava-faba models list",
        )
    return session


def _fits(shapes: list[list[Any]], wanted: tuple[int | None, ...]) -> bool:
    """Tell whether there is one tensor, of the sizes that are wanted, where they are fixed at all."""
    return len(shapes) == 1 and (
        len(shapes[0]) == len(wanted)
        and all(
            size == want
            for size, want in zip(shapes[0], wanted, strict=True)
            if isinstance(size, int) and want is not None
        )
    )


def import_insightface() -> Any:
    """Import what the extra [insightface] brings and return onnxruntime; an error says what is missing."""
    try:
        import cv2  # noqa: F401
        import insightface  # noqa: F401
        import onnxruntime
    except ImportError as error:
        if error.name is None:  # a package is there, but not the system libraries that OpenCV's wheel links
            raise MissingDependencyError(
                f"insightface cannot be imported: {error}.",
                "OpenCV's wheel needs the system libraries libGL and libglib.",
                "Install them, on Debian and Ubuntu with: apt-get install libgl1 libglib2.0-0",
            ) from error
        raise missing_extra(error.name, "insightface", "Reading an InsightFace network") from error
    return onnxruntime
