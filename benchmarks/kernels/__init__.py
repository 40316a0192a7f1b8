"""Each kernel of core, compiled and as its source: ``python -m benchmarks.kernels``."""
