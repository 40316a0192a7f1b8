"""What the tests of graph targets share: flows, a world of people and towns, and what must be true of them.

For tests alone: users of the kit import nothing from here, and none of it imports pytest. ``laws`` needs hypothesis,
which the extra ``testing`` brings. With ``pytest.register_assert_rewrite`` a conftest gets pytest's explanations of
what failed in ``flow_checks``, ``laws`` and ``setup_checks``.
"""
