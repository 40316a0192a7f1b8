"""``coco.validation``: the naming rule as functions, and the same verdict as the definition of a flow gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import coco
from coco import validation
from coco.errors import CallShapeError
from coco.validation import NamingError

VALIDATORS = (
    validation.validate_field_name,
    validation.validate_target_name,
    validation.validate_flow_name,
    validation.validate_app_namespace_name,
    validation.validate_full_flow_name,
)


def accepts(validate: Callable[[str], None], name: str) -> bool:
    try:
        validate(name)
    except NamingError:
        return False
    return True


@pytest.mark.parametrize("name", ["a", "_a", "Field_1", "x" * 64])
def test_legal_names(name: str) -> None:
    assert all(accepts(validate, name) for validate in VALIDATORS)
    assert validation.validate_identifier_name(name) is None


@pytest.mark.parametrize("name", ["", "1a", "a-b", " a", "a b", "a\n", "ä", "__a", "x" * 65, ".a"])
def test_illegal_names(name: str) -> None:
    assert not any(accepts(validate, name) for validate in VALIDATORS)


def test_dots_stand_in_full_names_only() -> None:
    assert [accepts(validate, "staging.docs") for validate in VALIDATORS] == [False] * 4 + [True]
    assert validation.validate_identifier_name("a.b", allow_dots=True) is None


def test_what_is_wrong_is_said() -> None:
    assert validation.validate_identifier_name("abc", max_length=2, identifier_type="Column") == (
        "invalid Column name 'abc': it has 3 characters, the maximum length is 2"
    )
    assert "double underscores" in str(validation.validate_identifier_name("__a"))
    with pytest.raises(NamingError, match="invalid field name 'a-b': it is not an identifier"):
        validation.validate_field_name("a-b")
    with pytest.raises(CallShapeError, match="must be a str, got int"):
        validation.validate_identifier_name(1)  # type: ignore[arg-type]


@example("a__")
@given(st.text(st.sampled_from("aZ_09.-"), max_size=6))
def test_a_flow_is_defined_just_if_its_name_is_valid(name: str) -> None:
    try:
        coco.open_flow(name, lambda builder, scope: None).close()
    except NamingError:
        assert not accepts(validation.validate_flow_name, name)
    else:
        assert accepts(validation.validate_flow_name, name)
