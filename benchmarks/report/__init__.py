"""All measured results on one page: a file of HTML that opens without a network, on a phone and in print.

Suites and studies return tables and charts as data, ``summary(records) -> Group`` beside their jobs, see
:mod:`benchmarks.rendering.parts`. The terminal and plots render them as the page does: the template ``page.html`` with
``page.css``, ``page.js`` and the charts of Observable Plot (``plot.min.js``, vendored: it draws SVG, which prints
sharply, follows light and dark mode by CSS, and keeps its text).

All statistics are computed in Python, by :mod:`benchmarks.statistics`; the page only draws and filters. A suite that
:data:`benchmarks.report.sections.BY_SUITE` does not know is shown as a plain table, never dropped.
"""
