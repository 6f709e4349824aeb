"""The pictures that training runs share."""

from tests.train.conftest import face_data  # noqa: F401
