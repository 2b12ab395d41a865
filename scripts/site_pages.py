"""What the site shows besides docs/: pages and pictures of the repository, the report of all results, and a replay.

A hook of MkDocs. Links between pages are paths in the repository, so that they work there, too; here they become those
of the site. A link to a file that is not on the site, such as a program, leaves its text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
SHOWN = (
    "models/*.md",
    "training/README.md",
    "benchmarks/README.md",
    "benchmarks/studies/README.md",
    "benchmarks/plots/*.svg",
    "examples/README.md",
    "examples/*.py",
    "examples/*.ipynb",
    "CHANGELOG.md",
)
"""Files of the repository that are pages, pictures or programs on the site, at the same path."""

REPLAY_SEED = 1
"""Of a square on which the search fails a few times."""

_LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the repository, the report and the replay."""
    for path in shown():
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, "report.html", content=_report()))
    files.append(File.generated(config, "replay.html", content=_replay()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links in the repository links in the site."""
    parts = _CODE.split(markdown)
    return "".join(part if part.startswith("```") else _relinked(part, page.file, files) for part in parts)


def shown() -> Iterator[str]:
    """Yield the paths of the files of the repository that are on the site."""
    for pattern in SHOWN:
        yield from (path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob(pattern)))


def _relinked(markdown: str, file: File, files: Files) -> str:
    in_repository = file.src_uri if file.src_uri in set(shown()) else f"docs/{file.src_uri}"

    def relinked(link: re.Match[str]) -> str:
        text, target = link.groups()
        if re.match(r"#|[a-z]+:", target):
            return link[0]
        path, hash_sign, anchor = target.partition("#")
        resolved = posixpath.normpath(posixpath.join(posixpath.dirname(in_repository), path))
        on_site = "index.md" if resolved == "README.md" else resolved.removeprefix("docs/")
        if files.get_file_from_path(on_site) is None:
            if not (ROOT / resolved).exists():
                return link[0]  # which MkDocs will report
            return text
        return link[0].replace(
            f"({target})", f"({posixpath.relpath(on_site, posixpath.dirname(file.src_uri) or '.')}{hash_sign}{anchor})"
        )

    return _LINK.sub(relinked, markdown)


def _report() -> str:
    from benchmarks.report.command import write_page

    with TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        write_page([ROOT / "benchmarks" / "results"], page)
        return page.read_text(encoding="utf-8")


def _replay() -> str:
    """Return a page on which a search with dead ends is replayed."""
    import numpy as np

    from nnsearch.cp import InferencePolicy, SearchOptions, Trace, read_trace, solve
    from nnsearch.cp.trace.page import page
    from nnsearch.cp.trace.recorder import layout_of
    from nnsearch.limits import Limits
    from nnsearch.problems import PartialLatinSquare

    n, rng = 18, np.random.default_rng(REPLAY_SEED)
    square = (rng.permutation(n)[:, None] + rng.permutation(n)) % n + 1
    instance = PartialLatinSquare(f"a Latin square of order {n}", np.where(rng.random((n, n)) < 0.42, 0, square))
    options = SearchOptions(policy=InferencePolicy(every=10, after_failure=True), limits=Limits(failures=200))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tree.jsonl"
        solve(*instance.build(), "bp", options, trace=Trace(file, states=8, about=layout_of(instance)))
        return page(read_trace(file))
