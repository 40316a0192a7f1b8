"""ParseJson: text into a Json value."""

from collections.abc import Mapping
from typing import Any

from coco import op
from coco.typing import Json
from coco_function_text.strict_json import parse_json


class ParseJson(op.FunctionSpec):
    """Parse a text as JSON.

    Input: ``text``; ``language``, of which only ``json`` (the default, in any case; null means the same) is
    supported. Output: Json; any JSON value may be at the top, and JSON ``null`` is null. Strict: see
    ``strict_json``.

    Raises ``ValueError`` for malformed text, with line and column, and for another language (when the flow is built, if the
    language is a constant).
    """


def _check_language(language: object) -> None:
    if language is not None and (not isinstance(language, str) or language.casefold() != "json"):
        raise ValueError(f"language must be 'json', got {language!r}")


@op.executor_class(behavior_version=1)
class ParseJsonExecutor:
    """Runs ParseJson."""

    spec: ParseJson
    runs_in_plan = True

    @staticmethod
    def check_constants(spec: ParseJson, constants: Mapping[str, Any]) -> None:
        """Refuses a constant language other than JSON."""
        _check_language(constants.get("language"))

    def __call__(self, text: str, language: str | None = "json") -> Json | None:
        _check_language(language)
        return parse_json(text)
