"""Measurements: suites and studies that write JSON lines, plots and a page of those lines, and pytest-benchmark files.

``python -m benchmarks --help`` lists them. ``pytest benchmarks`` measures the latency of inferences and the cost of
a node.

Every measured result is one line with its config, commit, versions, processor and thread count (``records.py``).
Answers are checked, durations never are.
"""
