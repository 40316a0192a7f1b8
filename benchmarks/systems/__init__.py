"""One script per system. ``python -m benchmarks.systems.NAME --corpus DIR --dsn URL --state DIR --variant 1|2``
does one update in its own process and prints one line of JSON with ``engine_s``, the seconds of the update itself.
"""
