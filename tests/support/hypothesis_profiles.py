"""How many examples hypothesis tries: three profiles for all tests of the workspace.

``dev``   few and random: for ``make check`` and while one works; the default
``ci``    as few, and the same ones each time: for ``make test``
``long``  many and random: for ``make test-long``
``hunt``  as ``long``, but shows what it finds without making it smaller

``pytest --hypothesis-profile=NAME`` chooses. A test that needs more or fewer examples than others asks for
``max_examples=examples(300)``, so that each profile scales what it asks for.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, settings

EXAMPLES = {"dev": 20, "ci": 20, "long": 500, "hunt": 500}
"""Of a test that asks for nothing, where hypothesis itself would try ``USUAL``."""
USUAL = 100
FEWEST = 5
"""No test that asks for so many is given fewer."""


def register() -> None:
    """Make the profiles known, and choose ``dev`` until pytest's option chooses."""
    slow_is_fine: dict[str, Any] = {
        "deadline": None,  # a busy machine is no failure
        "suppress_health_check": [
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
        "print_blob": True,
    }
    more: dict[str, dict[str, Any]] = {
        "dev": {"stateful_step_count": 20},
        "ci": {"stateful_step_count": 20, "derandomize": True, "database": None},
        "long": {"stateful_step_count": 40},
        "hunt": {
            "stateful_step_count": 40,
            "phases": (Phase.explicit, Phase.reuse, Phase.generate),
        },
    }
    for name, number in EXAMPLES.items():
        settings.register_profile(name, max_examples=number, **slow_is_fine, **more[name])
    settings.load_profile("dev")


def examples(number: int, long: int | None = None) -> int:
    """What becomes of ``number`` examples under the profile in force; ``long`` are those of the long profiles."""
    chosen = settings().max_examples
    if long is not None and chosen == EXAMPLES["long"]:
        return long
    return max(min(number, FEWEST), number * chosen // USUAL)
