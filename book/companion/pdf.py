"""The book as a PDF: what LaTeX needs on this machine, the build, and what the log must not say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from companion import notebooks

# Programs and files that the build calls, and the Debian package each is in.
PROGRAMS = {"kpsewhich": "texlive-latex-base", "latexmk": "latexmk", "xelatex": "texlive-xetex"}
FILES = {
    "report.cls": "texlive-latex-base",
    "unicode-math.sty": "texlive-latex-recommended",
    "titlesec.sty": "texlive-latex-extra",
    "pzdr.tfm": "texlive-fonts-recommended",
    "texgyrepagella-regular.otf": "fonts-texgyre",
    "texgyrepagella-math.otf": "fonts-texgyre-math",
}

# What must not stand in a log, whatever page it is about.
FAULTS = re.compile(
    r"^! .*|^Missing character: .*|^LaTeX Warning: .*(?:undefined|multiply defined).*|^.*File `.*' not found.*",
    re.MULTILINE,
)
OVERFULL = re.compile(r"^Overfull \\hbox \((?P<points>[\d.]+)pt too wide\).*", re.MULTILINE)

# The name that ``latex_documents`` in ``_config.yml`` gives the book.
NAME = "lottery-ticket-laboratory"


def missing() -> list[str]:
    """The Debian packages that have to be installed before the book can be printed; empty if none.

    Only what is not found counts, so a TeX Live of another origin serves as well.
    """
    packages = {package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    if shutil.which("kpsewhich") is None:
        return sorted(packages | set(FILES.values()))
    return sorted(packages | {package for file, package in FILES.items() if not _found(file)})


def _found(file: str) -> bool:
    return subprocess.run(["kpsewhich", file], capture_output=True).returncode == 0


def faults(log: str, widest: float = 10.0) -> list[str]:
    """What a reader of the PDF would notice, from the log of LaTeX.

    Args:
        log: the text of the ``.log`` file, its lines not broken (``max_print_line``).
        widest: how far a line may stick out of its column, in points; columns of tables lie eight apart.

    Returns:
        The lines of the log about errors, missing characters and files, references that lead nowhere, labels used
        twice, and lines that stick out too far; each once, errors first, since one of them leaves all references open.

    Example:
        >>> faults("Overfull \\\\hbox (31.5pt too wide) in paragraph at lines 7--9\\n")
        ['Overfull \\\\hbox (31.5pt too wide) in paragraph at lines 7--9']
    """
    wide = [match[0] for match in OVERFULL.finditer(log) if float(match["points"]) > widest]
    found = sorted((match[0] for match in FAULTS.finditer(log)), key=lambda line: not line.startswith("!"))
    return list(dict.fromkeys([*found, *wide]))


def build_pdf(source: Path, target: Path) -> Path:
    """Print the book that lies in `source` into ``_build/latex`` below `target`; return the PDF.

    Nothing is executed: the pages show the outputs stored in the notebooks. The date on the title page is that of the
    commit, or of ``SOURCE_DATE_EPOCH`` if that is set; then the same sources give the same file.

    Raises:
        RuntimeError: if something has to be installed, if the pages give a warning, or if the log has `faults`.
    """
    if packages := missing():
        raise RuntimeError(f"the PDF needs LaTeX; on Debian: apt-get install {' '.join(packages)}")
    folder = target / "_build" / "latex"
    shutil.rmtree(folder, ignore_errors=True)
    environment = os.environ | _dated(source)
    notebooks.jupyter_book(source, target, "--builder", "latex", environment=environment)
    done = subprocess.run(
        ["latexmk", "-xelatex", "-interaction=nonstopmode", "-halt-on-error", f"{NAME}.tex"],
        cwd=folder,
        env=environment | {"FORCE_SOURCE_DATE": "1", "max_print_line": "10000"},
        capture_output=True,
        text=True,
        errors="replace",
    )
    log = folder / f"{NAME}.log"
    found = faults(log.read_text(encoding="utf-8", errors="replace")) if log.is_file() else []
    if done.returncode or found:
        raise RuntimeError("the PDF did not build cleanly:\n" + ("\n".join(found[:20]) or done.stdout[-3000:]))
    return folder / f"{NAME}.pdf"


def _dated(source: Path) -> dict[str, str]:
    """The commit and its date, as far as git knows them, for the title page."""
    epoch, commit = _git(source, "log", "-1", "--format=%ct"), _git(source, "describe", "--always", "--dirty=, changed")
    found = {"SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH") or epoch, "LTH_COMMIT": commit}
    return {name: value for name, value in found.items() if value}


def _git(folder: Path, *command: str) -> str:
    """What git answers; nothing where there is no git or no repository."""
    if shutil.which("git") is None or not (folder / ".git").exists():
        return ""
    return subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True).stdout.strip()
