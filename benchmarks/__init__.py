"""Measurements: suites that write JSON lines, plots drawn from those lines, and pytest-benchmark files.

- ``python -m benchmarks feasibility``: how often is a suggested assignment one that some solution contains?
- ``python -m benchmarks search``: branches, failures and seconds of value orders on the same instances, of any family
- ``python -m benchmarks race``: the drop-in solver against CP-SAT's defaults, in seconds
- ``python -m benchmarks zoo``: the drop-in solver against CP-SAT on models of many kinds, every answer checked
- ``python -m benchmarks stream``: what yesterday's solution is worth to the next instance of a stream
- ``python -m benchmarks policies``: when to ask a network, and how to divide the search into runs
- ``python -m benchmarks nodes``: what a search node costs outside inference
- ``python -m benchmarks gather``: many searches alone, in greenlets, in several processes
- ``python -m benchmarks throughput``: states per second of networks by batch size
- ``python -m benchmarks latency``: the time to score a large state by networks on the candidate graph
- ``python -m benchmarks study sbr | cl-ste | cl-ste-cost``: the experiments of the two papers
- ``pytest benchmarks``: inference latency by batch size, and the cost of a node
- ``python -m benchmarks report``: all results as one page

Every measured result is one line with its config, commit, versions, processor and thread count (``records.py``).
Answers are checked, durations never are.
"""
