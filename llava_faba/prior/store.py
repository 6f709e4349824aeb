"""Annotations -> prior files: read every face of a data set once, and keep what was read.

OUT ends as `<id>.npy` (float32, shape [P]; folders in the id are kept), `data.json` (the annotations with `landmark`
set to each file, relative to OUT, and absent where no face was read), `manifest.json` (prior, version, P, counts) and
`unread.jsonl` (`id`, reason, in the order of the annotations). While the work goes on, its notes lie in OUT/.priors;
from them a killed run goes on, and they vanish when the last shard is done. On request all vectors end in one file
(table.py): `landmark` is `priors.npy#ROW`, and the files of the samples are removed at the end. The bytes in OUT depend
neither on interruptions nor on the number of workers and shards.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.cluster.actors import RayEngine
from llava_faba.errors import InputError
from llava_faba.faces import sample_id
from llava_faba.files import JsonLines, read_json, read_json_lines, write_atomically, write_json
from llava_faba.prior.base import FacialPrior
from llava_faba.prior.precomputed import MANIFEST, read_prior_file
from llava_faba.prior.reading import Picture, annotated_pictures, extract_files, extract_on, prior_name
from llava_faba.prior.table import TABLE, write_table
from llava_faba.processes import Shard

NOTES = ".priors"


@dataclass(frozen=True)
class Progress:
    """How far a store is: `done` of `total` pictures of this shard, `waiting` shards that are not finished."""

    done: int
    total: int
    read: int
    waiting: tuple[int, ...] = ()
    finished: bool = False


@dataclass(frozen=True)
class VectorWriter:
    """Writes a picture's vector to the files of its samples in the store `out`, each whole or not at all."""

    out: Path

    def __call__(self, picture: Picture, vector: np.ndarray) -> None:
        partial = f"{self.out}/{NOTES}/{os.uname().nodename}-{os.getpid()}.npy"
        for identity in picture.ids:
            file = f"{self.out}/{prior_name(identity)}"
            np.save(partial, vector)
            try:
                os.replace(partial, file)
            except FileNotFoundError:  # the first vector of a folder
                os.makedirs(os.path.dirname(file), exist_ok=True)
                os.replace(partial, file)


class PriorStore:
    """The folder of a data set's priors, made in one go or in several."""

    def __init__(
        self,
        data: Path | str,
        image_root: Path | str | None,
        prior: FacialPrior,
        out: Path | str,
        store_identity: bool = False,
        one_file: bool = False,
    ):
        """`image_root` is the folder of `data` by default; `store_identity` allows a prior that tells people apart.

        With `one_file` the finished store holds one file of vectors rather than one a sample.
        """
        if prior.identifies and not store_identity:
            raise InputError(
                f"The facial prior {prior.name} tells people apart: its vectors are biometric data.",
                "They are never stored unless that is asked for.",
                "Read them as they are needed (without files), or allow it with --store-identity.",
            )
        self.data, self.out, self.prior = Path(data), Path(out), prior
        self.entries = read_json(self.data, "annotation file")
        self.pictures = annotated_pictures(self.entries, self.data, Path(image_root or self.data.parent), self.out)
        self._run = {
            "prior": prior.name,
            "version": prior.version,
            "P": prior.dim,
            "data_sha256": hashlib.sha256(self.data.read_bytes()).hexdigest(),
        }
        self._one_file = one_file
        if one_file:
            self._run["file"] = TABLE
        self._notes = self.out / NOTES

    def extract(
        self,
        shard: Shard | None = None,
        workers: int = 1,
        batch: int = 16,
        retry_unread: bool = False,
        engine: RayEngine | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> Progress:
        """Read what `shard` still lacks, and finish the store when every shard is done.

        `engine` does the reading on a cluster in place of `workers`; the files are written here all the same.
        A picture without a face, or that cannot be opened, is listed and the work goes on. Raises InputError where OUT
        holds anything else, the model file cannot be used, or a worker process dies.
        """
        shard = shard or Shard()
        if self._is_finished() and not retry_unread:
            return self._summary(shard, waiting=())
        self._claim()
        unread = {} if retry_unread else self._unread()
        mine = shard.part(self.pictures)
        missing = [picture for picture in mine if not self._is_done(picture, unread)]
        done = len(mine) - len(missing)
        read = sum(picture.ids[0] not in unread for picture in mine) - len(missing)
        on_progress(Progress(done, len(mine), read))
        keep = VectorWriter(self.out)
        with JsonLines(self._notes / f"unread-{shard.index}-of-{shard.count}.jsonl") as failures:
            for outcomes in (
                extract_files(self.prior, missing, keep, workers, batch)
                if engine is None
                else extract_on(engine, self.prior, missing, keep, batch)
            ):
                for picture, reason in outcomes:
                    for identity in picture.ids if reason else ():
                        failures.append({"id": identity, "reason": reason})
                    done, read = done + 1, read + (not reason)
                on_progress(Progress(done, len(mine), read))
        (self._notes / f"done-{shard.index}-of-{shard.count}").touch()
        waiting = tuple(
            i for i in range(shard.count) if not (self._notes / f"done-{i}-of-{shard.count}").exists()
        )  # this shard's own count only: the work may have been begun with another
        if not waiting:
            waiting = self._finish(shard)
        return self._summary(shard, waiting)

    def _is_done(self, picture: Picture, unread: dict[str, str], trusting: bool = False) -> bool:
        """Tell whether nothing is left to do for a picture; `trusting` looks only whether its files are there."""
        return all(
            identity in unread
            or (os.path.exists(f"{self.out}/{prior_name(identity)}") if trusting else self._holds(identity))
            for identity in picture.ids
        )

    def _holds(self, identity: str) -> bool:
        file = self.out / prior_name(identity)
        try:
            return file.exists() and len(read_prior_file(file, self.prior.dim, identity)) > 0
        except InputError:  # cut short when the machine went down: read again
            return False

    def _unread(self) -> dict[str, str]:
        unread: dict[str, str] = {}
        for file in sorted(self._notes.glob("unread-*.jsonl")):
            unread.update((line["id"], line["reason"]) for line in read_json_lines(file))
        return unread

    def _claim(self) -> None:
        """Make OUT ours, or refuse: it is new, empty, or holds this very run."""
        note = self._notes / "run.json"
        if not note.exists():
            others = [path.name for path in self.out.iterdir() if path.name != NOTES] if self.out.exists() else []
            known = self._manifest()
            if others and known != self._run:
                holds = f"the priors of another run ({known['prior']})" if known else f"other files ({others[0]}, ...)"
                raise self._occupied(holds)
            write_json(note, self._run)
        found = read_json(note, "notes of an unfinished run")
        if found != self._run:
            differing = [key for key in self._run if found.get(key) != self._run[key]]
            raise self._occupied(f"an unfinished run with another {', '.join(differing)}")

    def _occupied(self, holds: str) -> InputError:
        return InputError(
            f"The folder {self.out} holds {holds}.",
            f"It must be new, empty, or hold {self.data} read by {self.prior.name}, version {self.prior.version}.",
            "Choose another --out, or remove it.",
        )

    def _manifest(self) -> dict[str, Any] | None:
        try:
            manifest = json.loads((self.out / MANIFEST).read_bytes())
            return {key: manifest.get(key) for key in self._run} if isinstance(manifest, dict) else None
        except (OSError, ValueError):
            return None

    def _is_finished(self) -> bool:
        return self._manifest() == self._run and not (self._notes / "run.json").exists()

    def _finish(self, shard: Shard) -> tuple[int, ...]:
        """Write the lists, the manifest last, and drop the notes, one process at a time; return what is missing."""
        try:
            lock = open(self._notes / "finish.lock", "w")
        except FileNotFoundError:  # another shard, done at the same moment, has finished the store
            return ()
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self._notes / "run.json").exists():
                return ()
            unread = self._unread()
            missing = [
                n for n, picture in enumerate(self.pictures) if not self._is_done(picture, unread, trusting=True)
            ]
            if missing:  # files vanished, or shards of another count are still at work
                return tuple(sorted({(n * shard.count) // len(self.pictures) for n in missing}))
            self._write_lists(unread)
            shutil.rmtree(self._notes)
        return ()

    def _write_lists(self, unread: dict[str, str]) -> None:
        marked, lines, listed = [], [], set()
        rows: dict[str, int] = {}  # id -> row of the table
        for entry in self.entries:
            entry, identity = dict(entry), sample_id(entry) or ""
            entry.pop("landmark", None)
            if entry.get("image") is not None:
                if os.path.exists(f"{self.out}/{prior_name(identity)}"):
                    row = rows.setdefault(identity, len(rows))
                    entry["landmark"] = f"{TABLE}#{row}" if self._one_file else prior_name(identity)
                elif identity not in listed:
                    lines.append({"id": identity, "reason": unread[identity]})
                    listed.add(identity)
            marked.append(entry)
        if self._one_file:
            vectors = (read_prior_file(self.out / prior_name(name), self.prior.dim, name) for name in rows)
            write_table(self.out / TABLE, vectors, len(rows), self.prior.dim)
        write_json(self.out / "data.json", marked)
        write_atomically(
            self.out / "unread.jsonl", "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        )
        ids = {identity for picture in self.pictures for identity in picture.ids}
        counts = {"samples": len(self.entries), "priors": len(ids) - len(lines), "unread": len(lines)}
        write_json(self.out / MANIFEST, {**self._run, **counts})
        for name in rows if self._one_file else ():
            self._remove(self.out / prior_name(name))

    def _remove(self, file: Path) -> None:
        """Remove a vector that is in the table now, and the folders that it leaves empty."""
        file.unlink(missing_ok=True)
        for folder in file.parents:
            if folder == self.out or any(folder.iterdir()):
                return
            folder.rmdir()

    def _summary(self, shard: Shard, waiting: tuple[int, ...]) -> Progress:
        mine = shard.part(self.pictures)
        finished = self._is_finished()
        if finished:
            stored = {identity for identity, _ in stored_priors(self.out)}
            read = sum(picture.ids[0] in stored for picture in mine)
        else:
            read = sum(os.path.exists(f"{self.out}/{prior_name(picture.ids[0])}") for picture in mine)
        return Progress(len(mine), len(mine), read, waiting, finished=finished)


def stored_priors(store: Path | str) -> Iterator[tuple[str, Path]]:
    """Yield the id and the prior file, or its row, of every sample in a finished store for which a face was read."""
    store = Path(store)
    for entry in read_json(store / "data.json", "list of a prior store"):
        if "landmark" in entry:
            yield sample_id(entry) or "", store / entry["landmark"]
