"""What the benchmarks share: options, medians and bars; the lab; who is measured; CPU time."""
