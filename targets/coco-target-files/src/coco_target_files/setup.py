"""Making and removing folders, from whatever state a crash may have left them in."""

from __future__ import annotations

import contextlib
import json
import os

from coco.errors import TargetError
from coco.kit.plain import to_plain
from coco_target_files.catalog import CATALOG, Catalog, catalog_exists
from coco_target_files.disk import Disk
from coco_target_files.folder import remove_empty_folders
from coco_target_files.scratch import TEMPORARY
from coco_target_files.state import FolderState

ASIDE = ".coco-aside"
_LAYOUT, _MANAGED, _MADE_ROOT = "layout", "managed", "made_root"


def apply_change(root: str, current: FolderState | None) -> None:
    """Bring the folder into a state, or remove what coco put there (None). Raises ``TargetError``."""
    try:
        if current is None:
            _drop(root)
        else:
            _bring_to(root, current)
    except OSError as error:
        raise TargetError(f"folder {root} cannot be set up: {error}") from error


def existing_problem(root: str) -> str | None:
    """Why the folder must not become ours. Folders with files of others are fine: those are never touched."""
    if not os.path.lexists(root):
        return None
    if not os.path.isdir(root):
        return f"{root} exists and is not a folder. Give the target another path, or move it away"
    if not catalog_exists(root):
        return None
    catalog = Catalog(root)
    try:
        if catalog.fact(_MANAGED) is None:
            return None  # only ever written to with setup_by_user
    finally:
        catalog.close()
    return (
        f"folder {root} was made by coco, but for another flow or with another state store. Use another folder, or "
        f"drop this one where it was made, or delete it by hand"
    )


def paths_beside(root: str) -> list[str]:
    """Where coco writes for a folder, the files of rows left out."""
    catalog = os.path.join(root, CATALOG)
    beside = [f"{catalog}{suffix}" for suffix in ("", "-journal", "-wal", "-shm")]
    return [*beside, os.path.join(root, TEMPORARY), _aside(root)]


def _bring_to(root: str, state: FolderState) -> None:
    if not os.path.lexists(root):
        _make_root(root)
    os.makedirs(root, exist_ok=True)  # says so where something else is in the way
    catalog = Catalog(root)
    try:
        if state.layout.case_sensitive and os.path.exists(os.path.join(root, CATALOG.upper())):
            raise TargetError(
                f"the file system of {root} ignores upper and lower case: leave case_sensitive out"
            )
        layout = json.dumps(to_plain(state.layout))
        if catalog.fact(_LAYOUT) not in (None, layout):
            _empty(catalog, Disk(root))
        with catalog.transaction():
            catalog.note(_LAYOUT, layout)
            catalog.note(_MANAGED, "yes")
    finally:
        catalog.close()


def _aside(root: str) -> str:
    """Where the root is made and unmade: it must never stand without the note that it is coco's."""
    return os.path.join(os.path.dirname(root), f".{os.path.basename(root)}{ASIDE}")


def _make_root(root: str) -> None:
    place = _aside(root)
    _sweep(place)
    os.makedirs(place, exist_ok=True)
    catalog = Catalog(place)
    try:
        catalog.note(_MADE_ROOT, "yes")
    finally:
        catalog.close()
    os.rename(place, root)


def _drop(root: str) -> None:
    _sweep(_aside(root))
    if not catalog_exists(root):
        return
    disk = Disk(root)
    catalog = Catalog(root)
    try:
        _empty(catalog, disk)
        made_root = catalog.fact(_MADE_ROOT) is not None
    finally:
        catalog.close()
    disk.close()
    if made_root and all(name.startswith(CATALOG) for name in os.listdir(root)):
        os.rename(root, _aside(root))
        _sweep(_aside(root))
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(root, CATALOG))


def _sweep(place: str) -> None:
    """Remove what an earlier call left there, which is a catalog and no more."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(place):
            if name.startswith(CATALOG):
                os.unlink(os.path.join(place, name))
        with contextlib.suppress(OSError):
            os.rmdir(place)


def _empty(catalog: Catalog, disk: Disk) -> None:
    for part in catalog.files():
        paths = [path for path, _ in part]
        for path in paths:
            disk.delete(path)
        with catalog.transaction():
            catalog.remove_files(paths)
    with catalog.transaction():
        folders = catalog.folders()
        remove_empty_folders(catalog, disk, [f"{folder}/" for folder in folders])
        catalog.remove_folders(folders)
