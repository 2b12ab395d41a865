"""What suites and studies found, as data (:mod:`benchmarks.rendering.parts`), rendered as text and as plots.

The third renderer is :mod:`benchmarks.report.page`.
"""
