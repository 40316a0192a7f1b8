"""Where a project is, and where in it a flow is defined, as the state remembers it."""

from __future__ import annotations

import os

from coco.flow.graph import DefinitionPlace

STATE_FOLDER = ".coco"


def project_folder(state: str) -> str:
    """The folder of the project whose state is at ``state``, a path or a URL: that of the file, or the one that holds its
    ``.coco`` folder. "" if state is in no file.
    """
    if not os.path.isfile(state):
        return ""
    folder = os.path.dirname(os.path.abspath(state))
    return os.path.dirname(folder) if os.path.basename(folder) == STATE_FOLDER else folder


def noted_place(place: DefinitionPlace | None, state: str) -> tuple[str, str] | None:
    """File and qualified name of a definition, to be kept in the state at ``state``, a path or a URL.

    A file in the folder of the project is noted relative to it: a project may be copied or mounted elsewhere as a whole,
    while two projects that share a state elsewhere are told apart.
    """
    if place is None:
        return None
    folder = project_folder(state)
    real = os.path.realpath(folder)
    inside = bool(folder) and place.file.startswith(os.path.join(real, ""))
    file = os.path.relpath(place.file, real) if inside else place.file
    return file.replace(os.sep, "/"), place.qualname
