"""A small Internet in network namespaces: used by the demo, the tests and the benchmarks."""
