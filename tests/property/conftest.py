import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

import coco
from coco.environment.runtime import RUNTIME

COMMON: dict[str, Any] = {
    "deadline": timedelta(seconds=60),
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    "print_blob": True,
}
settings.register_profile(
    "laws",
    max_examples=50,
    stateful_step_count=20,
    derandomize=True,
    **COMMON,  # the same histories each time
)
settings.register_profile("long", max_examples=1_500, stateful_step_count=40, **COMMON)

settings.register_profile(
    "hunt",  # finds quickly, and leaves the example as large as it is
    max_examples=int(os.environ.get("LAW_EXAMPLES", "500")),
    stateful_step_count=40,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    **COMMON,
)


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    RUNTIME.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    RUNTIME.stop()
    os.environ.pop("COCO_STATE_URL", None)
