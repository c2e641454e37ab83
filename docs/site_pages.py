"""Pages of the site that lie elsewhere in the repository, where readers of the code expect them."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {
    "benchmarks.md": "benchmarks/RESULTS.md",
    "time.svg": "benchmarks/time.svg",
    "architecture.md": "ARCHITECTURE.md",
    "changelog.md": "CHANGELOG.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them, under the names that the navigation has."""
    for name, place in ELSEWHERE.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / place)))
    return files
