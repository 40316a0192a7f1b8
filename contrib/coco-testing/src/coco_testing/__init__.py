"""The conformance kit of coco: suites to subclass for each kind of operation, for stores, runners and secrets.

``target_suite.TargetSuite``, ``source_suite.SourceSuite``, ``function_suite.FunctionSuite``,
``store_suite.StoreSuite``, ``runner_suite.RunnerSuite``, ``secret_suite.SecretSuite``. What is tested declares its
``abilities``; a claim is tested, a denial must refuse.
"""
