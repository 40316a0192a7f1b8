"""Options and fixtures of the conformance kit for pytest."""
