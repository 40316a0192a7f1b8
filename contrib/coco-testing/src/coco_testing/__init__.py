"""The conformance kit of coco: suites to subclass, one per kind of operation and one for state stores.

``target_suite.TargetSuite``, ``source_suite.SourceSuite``, ``function_suite.FunctionSuite``,
``store_suite.StoreSuite``. An operation declares its ``abilities``; a claim is tested, a denial must refuse.
"""

import pytest

# Failures of an editable install would otherwise say no more than "AssertionError".
pytest.register_assert_rewrite(
    *(
        f"coco_testing.{name}"
        for name in ("suite", "target", "source", "store", "function_suite", "rows", "target_driver")
    )
)
