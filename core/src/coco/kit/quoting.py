"""Names and literals as text of SQL and Cypher.

Values belong into parameters. What is here is for the places that take none: names, and literals in DDL.
"""

from __future__ import annotations

import math

from coco.errors import DefinitionError


def check_identifier(name: object, what: str = "name", *, max_bytes: int | None = None) -> str:
    """``name`` itself if a database can take it when quoted.

    what: for the message, such as "table name". max_bytes: limit on the UTF-8 form; None: no limit.
    Raises ``DefinitionError`` for what is no text, empty, too long, or holds U+0000 or a lone surrogate.
    """
    if not isinstance(name, str):
        raise DefinitionError(f"a {what} must be a str, got {type(name).__name__}")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise DefinitionError(
            f"invalid {what} {name!r}: it holds half of a surrogate pair, which is no text"
        ) from None
    if not name:
        raise DefinitionError(f"a {what} must not be empty")
    if "\0" in name:
        raise DefinitionError(f"invalid {what} {name!r}: it holds U+0000, which databases refuse")
    if max_bytes is not None and size > max_bytes:
        raise DefinitionError(
            f"invalid {what} {name!r}: it has {size} bytes, at most {max_bytes} are allowed; "
            "coco.kit.naming.shorten makes a name that fits"
        )
    return name


def quote_identifier(name: str, *, max_bytes: int | None = None) -> str:
    """A name in double quotes, as standard SQL has it (Postgres, SQLite, DuckDB, ...). Case is kept.

    Raises as ``check_identifier``.
    """
    return '"' + check_identifier(name, max_bytes=max_bytes).replace('"', '""') + '"'


def quote_qualified(*names: str | None) -> str:
    """``schema, table`` -> ``"schema"."table"``; None is left out, so that a schema may be missing."""
    present = [name for name in names if name is not None]
    if not present:
        raise DefinitionError("a qualified name needs at least one part")
    return ".".join(quote_identifier(name) for name in present)


def quote_identifiers(names: object) -> str:
    """A column list: ``"a", "b"``. ``names``: an iterable of str, but no str; not empty."""
    if isinstance(names, (str, bytes)) or not hasattr(names, "__iter__"):
        raise DefinitionError(f"expected several names, got {type(names).__name__}")
    quoted = [quote_identifier(name) for name in names]
    if not quoted:
        raise DefinitionError("a list of names must not be empty")
    return ", ".join(quoted)


def quote_literal(value: bool | int | float | str | None) -> str:
    """A literal of standard SQL, for the places that take no parameter.

    Backslashes are ordinary characters, as the standard has it (in Postgres: ``standard_conforming_strings``
    on, the default). Raises ``DefinitionError`` for infinite numbers and NaN, for text that holds U+0000 or a
    lone surrogate, and for other types.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DefinitionError(f"{value} has no literal in standard SQL; pass it as a parameter")
        return repr(float(value))
    if isinstance(value, str):
        if value:
            check_identifier(value, "text literal")
        return "'" + value.replace("'", "''") + "'"
    raise DefinitionError(f"no SQL literal for a {type(value).__name__}; pass it as a parameter")


def quote_cypher(name: str) -> str:
    r"""A label, type or property name in backticks, for Cypher.

    Raises as ``check_identifier``, and for a name that holds ``\u``: some servers read ``\u0060`` as a
    backtick before they look at quotes, others take it as it stands, so no quoting is right for both.
    """
    check_identifier(name)
    if "\\u" in name.lower():
        raise DefinitionError(
            f"invalid name {name!r}: servers disagree on '\\u' in a quoted name; rename the field or label"
        )
    return "`" + name.replace("`", "``") + "`"
