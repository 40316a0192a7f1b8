"""Default names of resources, and names that fit a product's limits."""

from __future__ import annotations

import re

from coco.errors import DefinitionError
from coco.kit.quoting import check_identifier
from coco.naming import DELIMITER, name_parts

DIGEST_CHARS = 10


def default_name(
    flow: str, target: str, *, namespace: str = "", delimiter: str = DELIMITER, max_bytes: int | None = None
) -> str:
    """``[Namespace__]Flow__Target``: what a target calls a resource whose spec gives no name.

    max_bytes: limit on the UTF-8 form; a longer name is shortened by ``shorten``. Raises ``DefinitionError``
    for an empty flow or target.
    """
    return join_names(*name_parts(flow, target, namespace), delimiter=delimiter, max_bytes=max_bytes)


def join_names(*parts: str, delimiter: str = DELIMITER, max_bytes: int | None = None) -> str:
    """A name made of names: of a table, of an index on it. Raises ``DefinitionError`` for an empty part.

    A shortened name depends on the parts and not only on the joined text, which different parts may share.
    """
    if not parts:
        raise DefinitionError("a name needs at least one part")
    for part in parts:
        check_identifier(part, "part of a name")
    name = delimiter.join(parts)
    if max_bytes is None or len(name.encode()) <= max_bytes:
        return name
    return _cut(name, "\0".join(parts), max_bytes)


def shorten(name: str, max_bytes: int) -> str:
    """``name`` if its UTF-8 form has at most ``max_bytes``, else its beginning, ``_`` and a digest of it all.

    The same on every machine and in every release. Cut between characters. Raises ``DefinitionError`` for an
    empty name, or a limit below 16 bytes, which leaves no room.
    """
    check_identifier(name)
    return name if len(name.encode()) <= max_bytes else _cut(name, name, max_bytes)


def plain_name(name: str, *, max_bytes: int = 63) -> str:
    """``name`` in lower-case ASCII letters, digits and underscores, no digit first.

    For products that quote no names. If anything had to change, a digest is appended, so that different names
    stay different.
    """
    check_identifier(name)
    plain = re.sub(r"[^a-z0-9_]", "_", name.lower())
    if plain[0].isdigit():
        plain = "_" + plain
    if plain == name and len(plain) <= max_bytes:
        return name
    return _cut(plain, name, max_bytes)


def _cut(text: str, identity: str, max_bytes: int) -> str:
    from coco.hot import fingerprint

    room = max_bytes - DIGEST_CHARS - 1
    if room < 5:
        raise DefinitionError(f"no name fits into {max_bytes} bytes; at least {DIGEST_CHARS + 6} are needed")
    start = text.encode()[:room].decode(errors="ignore")
    return f"{start}_{fingerprint(identity.encode()).hex()[:DIGEST_CHARS]}"
