"""Where a flow is defined, as the state remembers it."""

from __future__ import annotations

import os

from coco.flow.graph import DefinitionPlace

STATE_FOLDER = ".coco"


def noted_place(place: DefinitionPlace | None, state: str) -> tuple[str, str] | None:
    """File and qualified name of a definition, to be kept in the state at ``state``, a path or a URL.

    A file beside the state file, beside its ``.coco`` folder or below is noted relative to that: a project may be
    copied or mounted elsewhere as a whole, while two projects that share a state elsewhere are told apart.
    """
    if place is None:
        return None
    if not os.path.isfile(state):
        return place.file, place.qualname
    folder = os.path.dirname(os.path.realpath(state))
    if os.path.basename(folder) == STATE_FOLDER:
        folder = os.path.dirname(folder)
    inside = place.file.startswith(os.path.join(folder, ""))
    file = os.path.relpath(place.file, folder) if inside else place.file
    return file.replace(os.sep, "/"), place.qualname
