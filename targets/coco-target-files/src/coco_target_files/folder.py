"""One export's folder, opened: writing batches, and reading back what is there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from coco.errors import DriftError, MutationError, TargetError
from coco.kit.packed import pack, unpacker
from coco.op import MutationColumns
from coco.typing import FieldSchema
from coco_target_files.catalog import CATALOG, Catalog, catalog_exists
from coco_target_files.disk import Disk, RefusedPathError, Seen, folder_of, folders_above
from coco_target_files.names import KeyNames
from coco_target_files.render import Renderer

Row = tuple[Any, ...]
_NO_FORM = (ValueError, TypeError, OverflowError, RecursionError)
ATTEMPTS = 3
EPOCH = "epoch of "
"""What a run's mark is noted under, with the flow's name behind it."""


class File(NamedTuple):
    """What a file must contain. row: the key of its row; key: the same, packed."""

    row: Row
    key: bytes
    data: bytes


class Folder:
    """Calls may come from any thread, one runs at a time. Raises ``TargetError`` if there is no such folder."""

    def __init__(
        self, root: str, key_fields: Sequence[FieldSchema], names: KeyNames, renderer: Renderer
    ) -> None:
        self.root = root
        self._names = names
        self._renderer = renderer
        self._unpack_key = unpacker(list(key_fields))
        self._lock = threading.Lock()
        if not os.path.isdir(root):
            raise DriftError(f"folder {root} does not exist: it was never set up, or was removed")
        self._disk = Disk(root)
        self._catalog = Catalog(root) if catalog_exists(root) else None

    def close(self) -> None:
        with self._lock:
            self._disk.close()
            if self._catalog is not None:
                self._catalog.close()

    # -- writing ----------------------------------------------------------------------------------
    def mutate(self, columns: MutationColumns) -> None:
        """Write and delete files; when it returns, all of that is on the disk.

        Raises ``MutationError`` naming the rows that have no place or no form, all others being written;
        ``TargetError`` for what concerns the folder as a whole.
        """
        with self._lock:
            self._check_there()
            if self._catalog is None:
                self._catalog = Catalog(self.root)  # the user's folder, until now without files of ours
            self._disk.look_again()
            failed: dict[Row, str] = {}
            try:
                touched = self._write(self._catalog, columns, failed)
                self._disk.flush_folders(touched)
                self._delete(self._catalog, columns.delete_keys)
            except OSError as error:
                raise TargetError(f"folder {self.root} cannot be written: {error}") from error
            if failed:
                raise MutationError(failed)

    def _check_there(self) -> None:
        """An open catalog still works after it was deleted, and its files with it."""
        if not os.path.isdir(self.root):
            raise DriftError(f"folder {self.root} is missing: it was moved or deleted")
        if self._catalog is not None and not catalog_exists(self.root):
            raise DriftError(f"folder {self.root} has no {CATALOG} any more, in which coco records its files")

    def _write(self, catalog: Catalog, columns: MutationColumns, failed: dict[Row, str]) -> set[str]:
        """Returns the folders whose entries changed."""
        wanted = self._rendered(columns, failed)
        touched: set[str] = set()
        for attempt in range(ATTEMPTS):
            problems = self._write_once(catalog, wanted, failed, touched)
            # Another process that deletes its rows may remove an empty folder just before we write into it.
            vanished = [path for path, problem in problems.items() if isinstance(problem, FileNotFoundError)]
            if not vanished or attempt == ATTEMPTS - 1:
                failed.update({wanted[path].row: str(problem) for path, problem in problems.items()})
                break
            again = set(vanished)
            failed.update({wanted[path].row: str(problems[path]) for path in problems.keys() - again})
            wanted = {path: wanted[path] for path in vanished}
            self._disk.look_again()
        return touched

    def _write_once(
        self, catalog: Catalog, wanted: dict[str, File], failed: dict[Row, str], touched: set[str]
    ) -> dict[str, OSError]:
        """Returns what hindered which files; adds to ``failed`` those that have no place."""
        known = catalog.keys_of(list(wanted))
        disk = self._disk
        files: list[tuple[str, bytes]] = []
        entries: list[tuple[str, bytes]] = []
        folders: dict[str, None] = {}
        for path, file in wanted.items():
            try:
                missing = disk.check_folders(path)
                seen = Seen.NOTHING if missing else disk.look(path)
                there = disk.read_here(path) if seen is Seen.FILE else None
                owner = known.get(path)
                if owner is None:
                    if seen is not Seen.NOTHING and there != file.data:
                        raise RefusedPathError(
                            f"{disk.place(path)} exists, and coco did not write it: move it away or delete it"
                        )
                    entries.append((path, file.key))
                elif owner != file.key:
                    raise RefusedPathError(f"{path} is the file of another row: change one of the two keys")
            except (RefusedPathError, OSError) as error:
                failed[file.row] = str(error)
                continue
            if missing:
                folders.update(dict.fromkeys(missing))
            if there != file.data:
                files.append((path, file.data))
        if entries or folders:
            with catalog.transaction():
                catalog.add_folders(folders)
                catalog.add_files(entries)
        if folders:
            with catalog.transaction():  # no other process removes an empty one meanwhile, and its record
                catalog.add_folders(folders)
                disk.make_folders(folders)
        problems = disk.write_all(files)
        never_written = [path for path, _ in entries if path in problems]
        if never_written:
            self._forget(catalog, never_written)
        touched.update([folder_of(path) for path, _ in files])
        touched.update([folder_of(folder) for folder in folders])
        return problems

    def _rendered(self, columns: MutationColumns, failed: dict[Row, str]) -> dict[str, File]:
        found: dict[str, File] = {}
        path_of, render = self._names.path_of, self._renderer.render
        for row, values in zip(columns.upsert_keys, columns.upsert_rows, strict=True):
            try:
                path = path_of(row)
                file = File(row, pack(row), render(row, values))
            except _NO_FORM as error:
                failed[row] = f"{type(error).__name__}: {error}"
                continue
            other = found.setdefault(path, file)
            if other.row != row:
                failed[row] = f"its file {path} is that of row {other.row!r}, too: change one of the two keys"
        return found

    def _delete(self, catalog: Catalog, keys: Iterable[Row]) -> None:
        wanted = {self._names.path_of(key): pack(key) for key in keys}
        known = catalog.keys_of(list(wanted))
        paths = [path for path, key in wanted.items() if known.get(path) == key]
        for path in paths:
            self._disk.delete(path)
        if paths:
            # A file that is back after a power failure must still be in the catalog.
            self._disk.flush_folders({folder_of(path) for path in paths})
            self._forget(catalog, paths)

    def _forget(self, catalog: Catalog, paths: Sequence[str]) -> None:
        with catalog.transaction():
            catalog.remove_files(paths)
            remove_empty_folders(catalog, self._disk, paths)

    # -- marks of runs ----------------------------------------------------------------------------
    def read_epoch(self, flow: str) -> str | None:
        """The mark of the last run of a flow that wrote here."""
        self._check_there()
        return None if self._catalog is None else self._catalog.fact(EPOCH + flow)

    def write_epoch(self, flow: str, epoch: str) -> None:
        """Note the mark of a run, in the catalog that is copied and restored with the files."""
        with self._lock:
            self._check_there()
            if self._catalog is None:
                self._catalog = Catalog(self.root)
            self._catalog.note(EPOCH + flow, epoch)

    # -- reading ----------------------------------------------------------------------------------
    def count(self) -> int:
        """Number of files that are there and ours."""
        return sum(len(part) for part in self._there())

    def list_keys(self) -> Iterator[list[Row]]:
        """Keys of these files, in bounded lists."""
        for part in self._there():
            yield [self._unpack_key(key) for _, key in part]

    def _there(self) -> Iterator[list[tuple[str, bytes]]]:
        self._check_there()
        if self._catalog is not None:
            for part in self._catalog.files():
                yield [(path, key) for path, key in part if self._disk.look(path) is Seen.FILE]

    def read_rows(self, keys: Sequence[Row]) -> dict[Row, Row]:
        """Values of the keys whose files are there; see ``Renderer.read``."""
        self._check_there()
        if self._catalog is None:
            return {}
        with self._lock:
            self._disk.look_again()
            paths = {self._names.path_of(key): key for key in keys}
            known = self._catalog.keys_of(list(paths))
            found: dict[Row, Row] = {}
            for path, key in paths.items():
                data = self._disk.read(path) if known.get(path) == pack(key) else None
                if data is not None:
                    found[key] = self._renderer.read(key, data)
            return found


def remove_empty_folders(catalog: Catalog, disk: Disk, paths: Iterable[str]) -> None:
    """Remove the folders above ``paths`` that we made and that are empty now."""
    above = {folder for path in paths for folder in folders_above(path)} & catalog.folders()
    gone = [
        folder for folder in sorted(above, key=lambda item: -item.count("/")) if disk.remove_if_empty(folder)
    ]
    catalog.remove_folders(gone)
