"""Operations in memory that keep every rule: the suites are tested with them, and authors can read them as examples.

Importing a module registers its operations.
"""
