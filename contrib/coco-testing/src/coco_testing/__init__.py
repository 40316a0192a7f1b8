"""The conformance kit of coco: suites to subclass, one per kind of operation, one for state stores, one for runners.

``target_suite.TargetSuite``, ``source_suite.SourceSuite``, ``function_suite.FunctionSuite``,
``store_suite.StoreSuite``, ``runner_suite.RunnerSuite``. What is tested declares its ``abilities``; a claim is tested,
a denial must refuse.
"""
