"""All measured results on one page: a file of HTML that opens without a network, on a phone and in print.

:mod:`benchmarks.report.command` reads the records, one module for each kind of suite turns them into
:mod:`benchmarks.report.parts` (tables, charts, headline figures), and :mod:`benchmarks.report.page` puts those into the
template ``page.html`` with ``page.css``, ``page.js`` and the charts of Observable Plot (``plot.min.js``, vendored: it
draws SVG, which prints sharply, follows light and dark mode by CSS, and keeps its text).

All statistics are computed in Python, by the functions of the suites; the page only draws and filters. A suite that no
module knows is shown as a plain table, never dropped. To refine one, write a module with a function
``section(records) -> Section`` and name it in :data:`benchmarks.report.sections.BY_SUITE`.
"""
