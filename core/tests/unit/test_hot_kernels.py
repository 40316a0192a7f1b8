"""Every kernel, compiled and as source, in one process: the same results, bit for bit."""

from __future__ import annotations

import importlib
import struct
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.hot._loader import KERNELS, load_uncompiled_module

pytestmark = pytest.mark.kernels

PAIRS: dict[str, list[ModuleType]] = {
    name: [importlib.import_module(f"coco.hot.{name}"), load_uncompiled_module(name)] for name in KERNELS
}


@pytest.fixture(params=[0, 1], ids=["installed", "source"])
def kernel(request: pytest.FixtureRequest) -> Any:
    """Gives a kernel by its short name: as installed (compiled if it can be), then as source."""
    form: int = request.param
    return lambda name: PAIRS[name][form]


def both(name: str, function: str, *arguments: Any) -> Any:
    """The result that both forms give."""
    results = [getattr(module, function)(*arguments) for module in PAIRS[name]]
    assert results[0] == results[1]
    assert type(results[0]) is type(results[1])
    return results[0]


# --- fingerprint

KNOWN = {
    b"": "af1349b9f5f9a1a6a0404dea36dcc949",
    b"coco": "8f97d8bd0a77058c2e116531044a0cdd",
    bytes(range(256)) * 8: "1bdccfde0210a8ca178be19c6777cdb4",
}
"""Written down once. State files of every release hold such values: they must never change."""

KNOWN_COMBINED = "3db1989d5d6b9625104dfe910328a5e0"


@pytest.mark.parametrize("data", KNOWN, ids=["empty", "short", "long"])
def test_known_fingerprints(kernel: Any, data: bytes) -> None:
    module = kernel("fingerprint_cy")
    assert module.fingerprint(data).hex() == KNOWN[data]
    assert module.fingerprint_column([data, b"", data]) == [
        module.fingerprint(item) for item in (data, b"", data)
    ]


def test_known_combination(kernel: Any) -> None:
    module = kernel("fingerprint_cy")
    rows = module.combine(b"prefix", [[b"a", b""], [b"bc", b"abc"]])
    assert rows[0].hex() == KNOWN_COMBINED
    assert len(set(rows)) == 2
    assert module.combine(b"prefix", []) == []
    assert module.combine(b"prefix", [[], []]) == []


def test_columns_must_be_equally_long(kernel: Any) -> None:
    with pytest.raises(ValueError, match=r"columns of one length expected, got \[1, 2\]"):
        kernel("fingerprint_cy").combine(b"", [[b"a"], [b"b", b"c"]])


def test_parts_do_not_run_into_each_other(kernel: Any) -> None:
    combine = kernel("fingerprint_cy").combine
    cases = [(b"", [[b"ab"], [b"c"]]), (b"", [[b"a"], [b"bc"]]), (b"a", [[b"b"], [b"c"]]), (b"", [[b"abc"]])]
    assert len({combine(prefix, parts)[0] for prefix, parts in cases}) == len(cases)


@given(
    st.binary(max_size=50),
    st.integers(0, 4),
    st.lists(st.lists(st.binary(max_size=40), min_size=4, max_size=4)),
)
def test_combine_agrees(prefix: bytes, width: int, rows: list[list[bytes]]) -> None:
    columns = [[row[position] for row in rows] for position in range(width)]
    found = both("fingerprint_cy", "combine", prefix, columns)
    assert len(found) == (len(rows) if width else 0)
    seen: dict[bytes, tuple[bytes, ...]] = {}
    for row, value in zip(rows, found, strict=False):
        assert seen.setdefault(value, tuple(row[:width])) == tuple(row[:width])


# --- gather

tables = st.lists(
    st.none() | st.lists(st.tuples(st.integers(), st.text()), max_size=4).map(tuple), max_size=6
)


@given(tables)
def test_explode_then_implode_extends_each_row(given_tables: list[Any]) -> None:
    parents, columns = both("gather_cy", "explode", given_tables, 2)
    assert len(columns) == 2
    rows = [(index, row) for index, table in enumerate(given_tables) for row in table or ()]
    assert parents == [index for index, _ in rows]
    assert list(zip(*columns, strict=True)) == [row for _, row in rows]
    numbers = list(range(len(parents)))
    extended = both("gather_cy", "implode", given_tables, [numbers])
    flat = [row for table in extended for row in table or ()]
    assert flat == [(*row, number) for number, (_, row) in enumerate(rows)]
    assert [table is None for table in extended] == [table is None for table in given_tables]


@given(tables)
def test_explode_then_regroup_gives_the_tables_back(given_tables: list[Any]) -> None:
    _, columns = both("gather_cy", "explode", given_tables, 2)
    assert both("gather_cy", "regroup", given_tables, columns) == given_tables


@given(st.lists(st.integers() | st.none(), min_size=1), st.data())
def test_gather_and_compose(column: list[Any], data: st.DataObject) -> None:
    positions = st.integers(0, len(column) - 1)
    outer = data.draw(st.lists(positions, min_size=1))
    inner = data.draw(st.lists(st.integers(0, len(outer) - 1)))
    composed = both("gather_cy", "compose", inner, outer)
    assert both("gather_cy", "gather", column, composed) == [column[outer[i]] for i in inner]


@given(st.lists(st.none() | st.tuples(st.integers(), st.text())), st.integers(0, 1))
def test_field_of(column: list[Any], position: int) -> None:
    expected = [None if value is None else value[position] for value in column]
    assert both("gather_cy", "field_of", column, position) == expected


# --- merge

numbers = st.integers(-(2**70), 2**70)
fingerprints = st.sampled_from([b"x" * 16, b"y" * 16])
heads = st.none() | st.tuples(
    st.none() | numbers,
    st.none() | fingerprints,
    fingerprints,
    st.integers(0, 3),
    st.integers(0, 3),
    numbers,
    st.none() | numbers,
    st.booleans(),
)


@given(
    st.lists(st.tuples(st.none() | numbers, st.none() | fingerprints, st.none() | numbers, heads)),
    fingerprints,
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**62),
)
def test_classify_agrees(
    rows: list[tuple[Any, ...]], logic: bytes, force: bool, trust: bool, tick: int
) -> None:
    ordinals, contents, sizes, known = ([row[position] for row in rows] for position in range(4))
    keys = [b"%d" % number for number in range(len(rows))]
    codes = both("merge_cy", "classify", keys, ordinals, contents, sizes, known, logic, force, trust, tick)
    unchanged = PAIRS["merge_cy"][0].UNCHANGED
    for code, row in zip(codes, rows, strict=True):
        head = row[3]
        if code == unchanged:
            assert head is not None
            assert not force
            assert head[2] == logic
            assert row[1] is not None or trust


# --- reconcile

pairs = st.dictionaries(st.sampled_from([b"a", b"b", b"c", b"d"]), fingerprints).map(
    lambda found: list(found.items())
)
staged = st.dictionaries(st.sampled_from([b"a", b"b", b"c", b"d"]), fingerprints | st.just(b"")).map(
    lambda found: list(found.items())
)


@given(st.none() | pairs, st.none() | staged, pairs, st.booleans())
def test_reconcile_agrees_and_reaches_the_goal(old: Any, planned: Any, new: Any, force: bool) -> None:
    writes, same, deletes, previous = both("reconcile_cy", "reconcile_row", old, planned, new, force)
    assert sorted([*writes, *same]) == list(range(len(new)))
    assert len(previous) == len(writes)
    before, wanted = dict(old or ()), dict(new)
    for position in same:
        key, value = new[position]
        assert before[key] == value
        assert dict(planned or ()).get(key, value) == value
    assert set(deletes) == ({*before, *dict(planned or ())} - set(wanted))
    assert len(deletes) == len(set(deletes))


@given(
    st.binary(min_size=16, max_size=16), st.lists(st.tuples(st.booleans(), st.binary(min_size=8, max_size=8)))
)
def test_changed_fields(row: bytes, fields: list[tuple[bool, bytes]]) -> None:
    previous = row + b"".join(value for _, value in fields)
    current = row + b"".join(bytes(8 * [value[0] ^ 1]) if changed else value for changed, value in fields)
    found = both("reconcile_cy", "changed_fields", previous, current)
    if fields:
        assert found == tuple(index for index, (changed, _) in enumerate(fields) if changed)
    else:
        assert found is None
    assert both("reconcile_cy", "changed_fields", previous, current + b"x") is None


# --- vectors

VECTOR_FORMS = {"pack_float32": "f", "pack_float64": "d", "pack_int64": "q"}
PLAIN = st.lists(st.floats()) | st.lists(st.integers(-(2**65), 2**65)) | st.lists(st.floats(width=32))
MIXED = st.lists(
    st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text(max_size=2)), max_size=5
)


@pytest.mark.parametrize("function", VECTOR_FORMS)
@given(values=PLAIN | MIXED, as_tuple=st.booleans())
def test_vectors_are_packed_as_struct_packs_them_or_not_at_all(
    function: str, values: list[Any], as_tuple: bool
) -> None:
    found = both("vectors_cy", function, tuple(values) if as_tuple else values)
    kind = int if function == "pack_int64" else float
    plain = bool(values) and all(type(item) is kind and item == item for item in values)
    try:
        expected = struct.pack(f"<{len(values)}{VECTOR_FORMS[function]}", *values) if plain else None
    except (struct.error, OverflowError):
        expected = None
    assert found == expected


@pytest.mark.parametrize(
    ("function", "values", "packed"),
    [
        ("pack_float32", [3.4028235677973366e38], None),  # rounds beyond the largest
        ("pack_float32", [3.4028235677973362e38], b"\xff\xff\x7f\x7f"),
        ("pack_float32", [float("inf"), float("-inf")], b"\x00\x00\x80\x7f\x00\x00\x80\xff"),
        ("pack_float32", [-0.0], b"\x00\x00\x00\x80"),
        ("pack_float64", [1.0, float("nan")], None),
        ("pack_float64", [1.0, 2], None),
        ("pack_int64", [2**63 - 1], b"\xff" * 7 + b"\x7f"),
        ("pack_int64", [1, 2**63], None),
        ("pack_int64", [1, True], None),
    ],
)
def test_edges_of_vectors(kernel: Any, function: str, values: list[Any], packed: bytes | None) -> None:
    assert getattr(kernel("vectors_cy"), function)(values) == packed


def test_packed_vectors_share_nothing(kernel: Any) -> None:
    pack = kernel("vectors_cy").pack_float64
    first = pack([1.0])
    assert pack([2.0]) != first == struct.pack("<d", 1.0)
    assert pack([]) is None


# --- rows

ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.tuples(st.sampled_from(["a", "b", None])),
        st.tuples(st.integers(0, 2), st.none() | st.text(max_size=2)),
    )
)


@given(st.binary(max_size=20), st.lists(st.tuples(st.integers(), st.text())), st.sampled_from([8, 16]))
def test_values_are_packed_and_fingerprinted(prefix: bytes, values: list[Any], size: int) -> None:
    def pack(value: Any) -> bytes:
        return repr(value).encode()

    assert both("rows_cy", "pack_all", values, pack) == [pack(value) for value in values]
    fingerprint = PAIRS["fingerprint_cy"][1].fingerprint
    found = both("rows_cy", "fingerprint_values", prefix, values, pack, size)
    assert found == [fingerprint(prefix + pack(value))[:size] for value in values]


@given(
    st.binary(max_size=20),
    st.integers(1, 20).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(0, 300) | st.text(max_size=5), min_size=width, max_size=width)
        )
    ),
)
def test_rows_and_their_fields_are_fingerprinted(prefix: bytes, rows: list[list[Any]]) -> None:
    """As whole rows and whole columns are, so that what is in state files stays true."""
    pack = msgspec.msgpack.Encoder().encode
    columns = [list(column) for column in zip(*rows, strict=True)]
    prefixes = [prefix + bytes([number]) for number in range(len(columns))]
    fps = both("rows_cy", "fingerprint_rows", prefix, prefixes, columns, pack, 16, 8)
    whole = both("rows_cy", "fingerprint_values", prefix, [tuple(row) for row in rows], pack, 16)
    fields = [
        both("rows_cy", "fingerprint_values", own, column, pack, 8)
        for own, column in zip(prefixes, columns, strict=True)
    ]
    assert fps == [row + b"".join(parts) for row, parts in zip(whole, zip(*fields, strict=True), strict=True)]


@given(ENTRIES, ENTRIES, st.booleans())
def test_rows_by_owner(first: list[Any], second: list[Any], check_null: bool) -> None:
    """Against dicts: a key keeps its first place and takes the last value; nulls are left out."""
    expected: list[dict[Any, Any] | None] = [None] * 4
    results = []
    for module in PAIRS["rows_cy"]:
        rows: list[Any] = [None] * 4
        places: list[Any] = [None] * 4
        told = []
        for entries in (first, second):
            owners = [owner for owner, _, _ in entries]
            parts = [part for _, part, _ in entries]
            values = [value for _, _, value in entries]
            keys = [repr(part).encode() for part in parts]
            fps = [repr(value).encode() for value in values]
            told.append(module.group_rows(owners, keys, parts, fps, values, places, rows, check_null))
        results.append((rows, told))
    assert results[0] == results[1]
    for entries, (duplicates, example, missing) in zip((first, second), results[0][1], strict=True):
        replaced = []
        for index, (owner, part, value) in enumerate(entries):
            if check_null and None in part:
                assert index in missing
                continue
            known = expected[owner]
            if known is None:
                known = expected[owner] = {}
            if known.get(part, value) != value:
                replaced.append(index)
            known[part] = value
        assert (duplicates, example) == (len(replaced), replaced[0] if replaced else -1)
    for row, known in zip(results[0][0], expected, strict=True):
        if known is None:
            assert row is None
        else:
            assert row[1] == list(known) and row[3] == list(known.values())
            assert row[0] == [repr(part).encode() for part in known]
            assert row[2] == [repr(value).encode() for value in known.values()]
