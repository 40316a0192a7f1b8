"""How fast targets take rows, beside a bulk load that one would write by hand with the same client."""
