"""Models of the hub are loaded at one commit, from the cache where they are; nothing is fetched unasked."""

import shutil
from functools import partial

import pytest

import llava_faba
from llava_faba.errors import InputError, MissingFileError
from llava_faba.model.checkpoint import model_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tiny_llava, tmp_path, monkeypatch):
    """A cache of the hub, in its own layout, that holds ann/faba at COMMIT."""
    from huggingface_hub import snapshot_download

    snapshot = tmp_path / "models--ann--faba" / "snapshots" / COMMIT
    shutil.copytree(tiny_llava, snapshot)
    cached = partial(snapshot_download, cache_dir=tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", cached)
    return snapshot


def test_a_model_is_loaded_at_its_commit(cache, tiny_llava):
    assert model_folder("ann/faba", "model", COMMIT) == cache
    _, model, _, _ = llava_faba.load("ann/faba", revision=COMMIT)
    _, local, _, _ = llava_faba.load(tiny_llava)
    assert all((a == b).all() for a, b in zip(model.parameters(), local.parameters(), strict=True))


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:12], COMMIT.upper(), ""])
def test_a_revision_that_may_move_is_refused(cache, revision):
    with pytest.raises(InputError, match="40 hex digits"):
        llava_faba.load("ann/faba", revision=revision)


@pytest.mark.parametrize("name", ["faba", "../ann/faba", "/tmp/faba", "https://example.com/ann/faba", "ann/faba/more"])
def test_a_revision_belongs_to_a_name_on_the_hub(cache, name):
    with pytest.raises(InputError, match="owner/name"):
        llava_faba.load(name, revision=COMMIT)


def test_what_is_not_in_the_cache_is_said_to_be_missing_without_a_network(cache):
    with pytest.raises(MissingFileError, match="could not be fetched"):
        llava_faba.load("ann/other", revision=COMMIT)


def test_without_a_revision_nothing_is_fetched(cache):
    with pytest.raises(MissingFileError, match="is no model folder"):
        llava_faba.load("ann/faba")
