"""One export's folder, opened: writing batches, and reading back what is there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from coco.errors import DriftError, MutationError, TargetError
from coco.ops.targets import MutationColumns
from coco.types.schema import FieldSchema
from coco.types.storage import pack, unpacker
from coco_target_files.catalog import CATALOG, Catalog, catalog_exists
from coco_target_files.disk import Disk, RefusedPathError, folder_of, folders_above
from coco_target_files.names import KeyNames
from coco_target_files.render import Renderer

Row = tuple[Any, ...]
_NO_FORM = (ValueError, TypeError, OverflowError, RecursionError)


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
        """A catalog that was opened goes on working when it is gone, and so are the files then."""
        if not os.path.isdir(self.root):
            raise DriftError(f"folder {self.root} is gone: it was moved or deleted")
        if self._catalog is not None and not catalog_exists(self.root):
            raise DriftError(f"folder {self.root} has lost {CATALOG}, in which coco knows its files")

    def _write(self, catalog: Catalog, columns: MutationColumns, failed: dict[Row, str]) -> set[str]:
        """Returns the folders whose entries changed."""
        wanted = self._rendered(columns, failed)
        known = catalog.keys_of(list(wanted))
        files: list[tuple[str, bytes]] = []
        entries: list[tuple[str, bytes]] = []
        folders: dict[str, None] = {}
        for path, (key, data) in wanted.items():
            try:
                missing = self._disk.check_folders(path)
                is_new = self._check_place(path, known.get(path), pack(key), data)
            except (RefusedPathError, OSError) as error:
                failed[key] = str(error)
                continue
            folders.update(dict.fromkeys(missing))
            if is_new:
                entries.append((path, pack(key)))
            if not (is_new and self._disk.is_taken(path)) and self._disk.read(path) != data:
                files.append((path, data))
        if entries or folders:
            with catalog.transaction():
                catalog.add_folders(folders)
                catalog.add_files(entries)
        self._disk.make_folders(folders)
        problems = self._disk.write_all(files)
        failed.update({wanted[path][0]: str(problem) for path, problem in problems.items()})
        never_written = [path for path, _ in entries if path in problems]
        if never_written:
            self._forget(catalog, never_written)
        return {folder_of(path) for path, _ in files} | {folder_of(folder) for folder in folders}

    def _rendered(self, columns: MutationColumns, failed: dict[Row, str]) -> dict[str, tuple[Row, bytes]]:
        found: dict[str, tuple[Row, bytes]] = {}
        for key, row in zip(columns.upsert_keys, columns.upsert_rows, strict=True):
            try:
                path = self._names.path_of(key)
                data = self._renderer.render(key, row)
            except _NO_FORM as error:
                failed[key] = f"{type(error).__name__}: {error}"
                continue
            other = found.setdefault(path, (key, data))
            if other[0] != key:
                failed[key] = f"its file {path} is that of row {other[0]!r}, too: change one of the two keys"
        return found

    def _check_place(self, path: str, owner: bytes | None, key: bytes, data: bytes) -> bool:
        """Whether the file is new to us. Raises ``RefusedPathError`` if it is not ours to write."""
        if owner is not None:
            if owner != key:
                raise RefusedPathError(f"{path} is the file of another row: change one of the two keys")
            return False
        if self._disk.is_taken(path) and self._disk.read(path) != data:
            raise RefusedPathError(
                f"{self._disk.place(path)} is there already, and coco did not write it: move it away or delete it"
            )
        return True

    def _delete(self, catalog: Catalog, keys: Iterable[Row]) -> None:
        wanted = {self._names.path_of(key): pack(key) for key in keys}
        known = catalog.keys_of(list(wanted))
        paths = [path for path, key in wanted.items() if known.get(path) == key]
        for path in paths:
            self._disk.delete(path)
        if paths:
            # A file that a power failure brings back must still be known as ours.
            self._disk.flush_folders({folder_of(path) for path in paths})
            self._forget(catalog, paths)

    def _forget(self, catalog: Catalog, paths: Sequence[str]) -> None:
        with catalog.transaction():
            catalog.remove_files(paths)
            remove_empty_folders(catalog, self._disk, paths)

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
                yield [(path, key) for path, key in part if self._disk.is_file(path)]

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
