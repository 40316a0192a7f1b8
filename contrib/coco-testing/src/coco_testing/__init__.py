"""The conformance kit of coco: suites to subclass for each kind of operation, for stores, runners and secrets.

``target_suite.TargetSuite``, ``source_suite.SourceSuite``, ``function_suite.FunctionSuite``,
``store_suite.StoreSuite``, ``runner_suite.RunnerSuite``, ``secret_suite.SecretSuite``. The subclass of a suite declares
the ``abilities`` of its operation. The suite tests each declared ability, and tests that the others are refused.
"""
