"""A row as the bytes of a file, and back. Equal rows have equal bytes, and every byte is accounted for.

* ``json``: one object, a field per line.
* ``markdown``: the fields between two lines ``---``, a field per line, readable as YAML; then the text.
* ``html``: a page; the fields as JSON in a ``script`` element that browsers do not show.

The text is the field ``content``, exactly. Without one, a page shows all fields as a list.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from coco.typing import FieldSchema
from coco_target_files.json_form import field_pair
from coco_target_files.names import KeyNames

Row = tuple[Any, ...]
Format: TypeAlias = Literal["markdown", "html", "json"]
SUFFIXES: dict[str, str] = {"markdown": ".md", "html": ".html", "json": ".json"}
RENDERING = 1
"""Grows when the same row gets other bytes: then files are written again."""

UNREADABLE = "<this file is not as coco wrote it>"
"""In the place of the values of a file that another program changed."""

_json = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(", ", ": "), check_circular=False
).encode
_SHORT_EXPONENT = re.compile(r"\de[+-]?\d")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_FRONT, _FRONT_END = b"---\n", b"---\n\n"
_SCRIPT, _SCRIPT_END = '<script type="application/json" id="coco-row">', "</script>\n"
_BODY, _BODY_END = "</head>\n<body>\n", "\n</body>\n</html>\n"


class Renderer:
    """Bytes of one export's rows.

    content: the field that is the text, or None. metadata: whether the other fields are in the file, too; if not,
    the file is the text and nothing else.
    """

    def __init__(
        self,
        format_: Format,
        content: str | None,
        metadata: bool,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        names: KeyNames,
    ) -> None:
        self._names = names
        fields = [*key_fields, *value_fields]
        self._num_keys = len(key_fields)
        self._labels = [item.name for item in fields]
        pairs = [field_pair(item.value_type) for item in fields]
        self._outs, self._backs = [write for write, _ in pairs], [read for _, read in pairs]
        self._heads = [f"{_yaml_name(name)}: " for name in self._labels]
        self._content = self._labels.index(content) if content is not None else None
        self._nullable = content is not None and fields[self._labels.index(content)].value_type.nullable
        formats: dict[str, tuple[Callable[[Row, Row], bytes], Callable[[bytes], Row]]] = {
            "json": (self._json, self._from_json),
            "markdown": (self._markdown, self._from_markdown),
            "html": (self._html, self._from_html),
        }
        self._write, self._read = formats[format_]
        self._text_only = not metadata
        if self._text_only:
            self._write = self._text

    def render(self, key: Row, row: Row) -> bytes:
        """The file of a row. Raises ``ValueError``, ``OverflowError`` or ``RecursionError`` for what has no form."""
        return self._write(key, row)

    def read(self, key: Row, data: bytes) -> Row:
        """The values of the row whose file this is; ``UNREADABLE`` for all of them if it was changed.

        ``...`` for the text of an empty file that has no other fields: it may have been null.
        """
        try:
            if self._text_only:
                text = data.decode()
                return (... if not text and self._nullable else text,)
            cells = self._read(data)
            row = cells[self._num_keys :]
            if cells[: self._num_keys] == key and self._write(key, row) == data:
                return row
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
            pass
        return (UNREADABLE,) * (len(self._labels) - self._num_keys)

    # -- formats ----------------------------------------------------------------------------------
    def _json(self, key: Row, row: Row) -> bytes:
        lines = [f"  {_json(name)}: {_json(data)}" for name, data in self._data(key, row, text=True).items()]
        return f"{{\n{f',{chr(10)}'.join(lines)}\n}}\n".encode()

    def _from_json(self, data: bytes) -> Row:
        return self._cells(json.loads(data), None)

    def _markdown(self, key: Row, row: Row) -> bytes:
        cells = (*key, *row)
        index = self._content
        text = None if index is None else cells[index]
        lines = [
            f"{head}{_yaml(out(cell))}\n"
            for place, (head, out, cell) in enumerate(zip(self._heads, self._outs, cells, strict=True))
            if place != index or cell is None
        ]
        return f"---\n{''.join(lines)}---\n\n{text or ''}".encode()

    def _from_markdown(self, data: bytes) -> Row:
        head, _, text = data.removeprefix(_FRONT).partition(b"\n" + _FRONT_END)
        fields = {}
        for line in head.decode().split("\n"):
            name, _, value = line.partition(": ") if line[0] != '"' else _quoted_name(line)
            fields[name] = json.loads(value)
        return self._cells(fields, text.decode())

    def _html(self, key: Row, row: Row) -> bytes:
        fields = self._data(key, row)
        script = _json(fields).replace("<", "\\u003c")
        title = html.escape(" / ".join(self._names.texts_of(key)))
        text = self._text_of(key, row) if self._content is not None else _listed(fields)
        head = f'<!doctype html>\n<html>\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        return f"{head}{_SCRIPT}{script}{_SCRIPT_END}{_BODY}{text}{_BODY_END}".encode()

    def _from_html(self, data: bytes) -> Row:
        page = data.decode()
        _, _, rest = page.partition(_SCRIPT)
        script, _, rest = rest.partition(_SCRIPT_END)
        return self._cells(json.loads(script), rest.removeprefix(_BODY).removesuffix(_BODY_END))

    def _text(self, key: Row, row: Row) -> bytes:
        return self._text_of(key, row).encode()

    # -- fields -----------------------------------------------------------------------------------
    def _data(self, key: Row, row: Row, *, text: bool = False) -> dict[str, Any]:
        """Fields as JSON data, without the text; a text that is null is a field."""
        cells = (*key, *row)
        return {
            name: out(cell)
            for index, (name, out, cell) in enumerate(zip(self._labels, self._outs, cells, strict=True))
            if text or index != self._content or cell is None
        }

    def _text_of(self, key: Row, row: Row) -> str:
        if self._content is None:
            return ""
        return (*key, *row)[self._content] or ""

    def _cells(self, fields: dict[str, Any], text: str | None) -> Row:
        cells = []
        for index, (name, back) in enumerate(zip(self._labels, self._backs, strict=True)):
            if index == self._content and text is not None and name not in fields:
                cells.append(text)
            else:
                cells.append(back(fields[name]))
        return tuple(cells)


def _listed(fields: dict[str, Any]) -> str:
    items = []
    for name, data in fields.items():
        shown = data if isinstance(data, str) else "" if data is None else _json(data)
        items.append(f"<dt>{html.escape(name)}</dt>\n<dd><pre>{html.escape(shown)}</pre></dd>\n")
    return f"<dl>\n{''.join(items)}</dl>"


def _yaml_name(name: str) -> str:
    if _PLAIN_NAME.fullmatch(name) and name.lower() not in _YAML_WORDS:
        return name
    return _yaml(name)


def _quoted_name(line: str) -> tuple[str, str, str]:
    name, end = json.JSONDecoder().raw_decode(line)
    return name, ": ", line[end:].removeprefix(": ")


def _yaml(data: Any) -> str:
    """JSON that YAML 1.1 and 1.2 read as the same data: neither has numbers such as 1e-08, nor all characters."""
    text = _json(data)
    if isinstance(data, str):
        if text.isascii() and "\x7f" not in text:
            return text
    elif _SHORT_EXPONENT.search(text):
        text = _with_points(data)
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _with_points(data: Any) -> str:
    if isinstance(data, float):
        number = repr(data)
        return number if "." in number or "e" not in number else number.replace("e", ".0e")
    if isinstance(data, list):
        return f"[{', '.join(map(_with_points, data))}]"
    if isinstance(data, dict):
        return f"{{{', '.join(f'{_json(name)}: {_with_points(item)}' for name, item in data.items())}}}"
    return _json(data)
