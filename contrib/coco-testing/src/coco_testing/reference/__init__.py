"""Operations in memory that keep every rule: what the suites are tried on, and examples to read.

Importing a module registers its operations.
"""
