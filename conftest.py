"""For the tests of all distributions: profiles of hypothesis."""

import contextlib

with contextlib.suppress(ImportError):  # the environment of a distribution whose tests need none
    from hypothesis_profiles import register

    register()
