"""The conformance kit of coco: suites to subclass, one per kind of operation, one for state stores, one for runners.

``target_suite.TargetSuite``, ``source_suite.SourceSuite``, ``function_suite.FunctionSuite``,
``store_suite.StoreSuite``, ``runner_suite.RunnerSuite``. What is tested declares its ``abilities``; a claim is tested,
a denial must refuse.
"""

import sys

if "pytest" in sys.modules:  # not in the processes that suites start, which would wait for its import
    import pytest

    # Failures of an editable install would otherwise say no more than "AssertionError".
    pytest.register_assert_rewrite(
        *(
            f"coco_testing.{name}"
            for name in (
                "suite",
                "target",
                "source",
                "store",
                "runner",
                "function_suite",
                "rows",
                "target_driver",
            )
        )
    )
