"""Files written wholly or not at all, and folders that are made, entered and left with care."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

TEMPORARY = ".coco-files.tmp"
"""Folder for files that are being written; in the root, so that renaming stays within one file system."""

WRITERS = 8
_FEW = 4
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

FOR_ALL = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
"""Numbers of errors that no single file is guilty of."""


class RefusedPathError(Exception):
    """A place where we must not write; the message says why."""


def flush(descriptor: int) -> None:
    """Data to the disk, past all caches of the system."""
    os.fsync(descriptor)


_numbers = itertools.count()
_live: set[str] = set()
"""Temporary files that exports of this process are writing: not what a crash left."""


class Disk:
    """The files of a folder. ``root``: absolute; paths are relative to it, with ``/``."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._temporary = os.path.join(root, TEMPORARY)
        self._safe_folders: set[str] = set()
        self._sweep()

    def place(self, path: str) -> str:
        """The path for calls of the system."""
        return os.path.join(self.root, *path.split("/"))

    def close(self) -> None:
        """Remove the folder for temporary files, if it is empty."""
        with contextlib.suppress(OSError):
            os.rmdir(self._temporary)

    def _sweep(self) -> None:
        """Remove what a crash left half-written."""
        if not os.path.isdir(self._temporary) or os.path.islink(self._temporary):
            return
        for entry in os.scandir(self._temporary):
            if entry.path in _live:
                continue
            if entry.name.endswith(".tmp") and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.path)
        self.close()

    # -- looking ----------------------------------------------------------------------------------
    def is_file(self, path: str) -> bool:
        """Whether a regular file is there; links are none."""
        try:
            return stat.S_ISREG(os.lstat(self.place(path)).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def is_taken(self, path: str) -> bool:
        """Whether anything is there."""
        return os.path.lexists(self.place(path))

    def read(self, path: str) -> bytes | None:
        """The bytes of a regular file that no link leads to, or None."""
        try:
            self.check_folders(path)
        except RefusedPathError:
            return None
        if not self.is_file(path):
            return None
        with open(self.place(path), "rb") as file:
            return file.read()

    def check_folders(self, path: str) -> list[str]:
        """Folders above ``path`` that are missing, outermost first.

        Raises ``RefusedPathError`` where something else is in the way, or a link that may lead out of the root.
        """
        missing: list[str] = []
        for folder in folders_above(path):
            if missing or folder in self._safe_folders:
                if missing:
                    missing.append(folder)
                continue
            try:
                mode = os.lstat(self.place(folder)).st_mode
            except FileNotFoundError:
                missing.append(folder)
                continue
            if stat.S_ISLNK(mode):
                raise RefusedPathError(f"{self.place(folder)} is a link, and coco writes through none")
            if not stat.S_ISDIR(mode):
                raise RefusedPathError(f"{self.place(folder)} is no folder")
            self._safe_folders.add(folder)
        return missing

    def look_again(self) -> None:
        """Forget what is known of folders: others may change them between two batches."""
        self._safe_folders.clear()

    # -- changing ---------------------------------------------------------------------------------
    def make_folders(self, folders: Iterable[str]) -> None:
        """Make folders, outermost first; those that are there are fine."""
        for folder in folders:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.place(folder))

    def write_all(self, files: Iterable[tuple[str, bytes]]) -> dict[str, OSError]:
        """Write files, several at a time since each waits for the disk. Returns the failures that concern one file.

        Raises ``OSError`` for one that concerns all.
        """
        todo = list(files)
        if todo:
            os.makedirs(self._temporary, exist_ok=True)
        if len(todo) <= _FEW:
            answers = [self._try_to_write(item) for item in todo]
        else:
            with ThreadPoolExecutor(WRITERS, "coco-files") as pool:
                answers = list(pool.map(self._try_to_write, todo))
        failed = {}
        for (path, _), problem in zip(todo, answers, strict=True):
            if problem is not None:
                if problem.errno in FOR_ALL:
                    raise problem
                failed[path] = problem
        return failed

    def _try_to_write(self, file: tuple[str, bytes]) -> OSError | None:
        try:
            self._write(*file)
        except OSError as error:
            return error
        return None

    def _write(self, path: str, data: bytes) -> None:
        temporary = os.path.join(self._temporary, f"{os.getpid()}-{next(_numbers)}.tmp")
        _live.add(temporary)
        try:
            try:
                descriptor = os.open(temporary, _FLAGS, 0o666)
            except FileNotFoundError:  # somebody else who writes here closed, and found the folder empty
                os.makedirs(self._temporary, exist_ok=True)
                descriptor = os.open(temporary, _FLAGS, 0o666)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                flush(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, self.place(path))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            _live.discard(temporary)

    def delete(self, path: str) -> None:
        """Delete a regular file; anything else, or nothing, is left as it is."""
        try:
            self.check_folders(path)
        except RefusedPathError:
            return
        if self.is_file(path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.place(path))

    def remove_if_empty(self, folder: str) -> bool:
        """Whether the folder is gone now."""
        try:
            os.rmdir(self.place(folder))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:
            return False
        self._safe_folders.discard(folder)
        return True

    def flush_folders(self, folders: Iterable[str]) -> None:
        """Make names that were added or removed last; where the system cannot, it need not."""
        for folder in folders:
            try:
                descriptor = os.open(self.place(folder) if folder else self.root, os.O_RDONLY)
            except OSError:
                continue  # gone, or a system whose folders cannot be opened
            try:
                with contextlib.suppress(OSError):
                    flush(descriptor)
            finally:
                os.close(descriptor)


def folders_above(path: str) -> list[str]:
    """``a/b/c`` -> ``a``, ``a/b``."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def folder_of(path: str) -> str:
    """The folder that holds ``path``; empty for the root."""
    return path.rpartition("/")[0]
