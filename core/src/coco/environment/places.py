"""The folder of a project, and the place of a flow's definition in it, as state stores them."""

from __future__ import annotations

import os

from coco.flow.graph import DefinitionPlace

STATE_FOLDER = ".coco"


def project_folder(state: str) -> str:
    """The folder of the project whose state is at ``state``, a path or a URL: the folder of the file, or the parent of its
    ``.coco`` folder. "" if state is not a file.
    """
    if not os.path.isfile(state):
        return ""
    folder = os.path.dirname(os.path.abspath(state))
    return os.path.dirname(folder) if os.path.basename(folder) == STATE_FOLDER else folder


def noted_place(place: DefinitionPlace | None, state: str) -> tuple[str, str] | None:
    """File and qualified name of a definition, to be stored in the state at ``state``, a path or a URL.

    The path of a file in the folder of the project is relative to it, so that a project can be copied or mounted elsewhere.
    Other paths are absolute, so that projects that share a state are distinguished.
    """
    if place is None:
        return None
    folder = project_folder(state)
    real = os.path.realpath(folder)
    inside = bool(folder) and place.file.startswith(os.path.join(real, ""))
    file = os.path.relpath(place.file, real) if inside else place.file
    return file.replace(os.sep, "/"), place.qualname
