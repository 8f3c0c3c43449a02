"""The log of LaTeX, read without LaTeX: what counts as a fault, and what does not."""

from __future__ import annotations

import pytest
from companion import pdf

HARMLESS = """\
LaTeX Font Info:    Redeclaring symbol font `operators' on input line 31.
Package hyperref Warning: Suppressing link with empty target on input line 40.
Underfull \\hbox (badness 10000) in paragraph at lines 12--13
Overfull \\hbox (9.9pt too wide) in paragraph at lines 15--16
Overfull \\vbox (40.0pt too high) has occurred while \\output is active
"""


@pytest.mark.parametrize(
    "line",
    [
        "! Undefined control sequence.",
        'Missing character: There is no ⊗ (U+2297) in font "[texgyrepagella-regular.otf]"!',
        "LaTeX Warning: Hyper reference `book/nowhere::doc' on page 3 undefined on input line 88.",
        "LaTeX Warning: Reference `eq:nowhere' on page 4 undefined on input line 90.",
        "LaTeX Warning: There were undefined references.",
        "LaTeX Warning: Label `eq:score' multiply defined.",
        "! LaTeX Error: File `bbm.sty' not found.",
        "Overfull \\hbox (20.1pt too wide) in paragraph at lines 15--16",
    ],
)
def test_a_fault_is_found_among_harmless_lines(line):
    assert pdf.faults(f"{HARMLESS}{line}\n{HARMLESS}") == [line]


def test_harmless_lines_are_no_faults():
    assert pdf.faults(HARMLESS) == []


def test_how_far_a_line_may_stick_out_is_a_choice():
    assert len(pdf.faults(HARMLESS, widest=5)) == 1


def test_a_fault_is_named_once():
    line = "LaTeX Warning: Reference `a' on page 4 undefined on input line 9."
    assert pdf.faults(f"{line}\n{line}\n") == [line]


def test_an_error_stands_before_the_references_it_leaves_open():
    reference, error = "LaTeX Warning: Reference `a' on page 4 undefined on input line 9.", "! Extra }."
    assert pdf.faults(f"{reference}\n{error}\n") == [error, reference]


def test_without_latex_every_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    named = pdf.missing()
    assert {"latexmk", "texlive-xetex", "texlive-latex-extra", "fonts-texgyre"} <= set(named)
    with pytest.raises(RuntimeError, match=rf"apt-get install {' '.join(named)}"):
        pdf.build_pdf(tmp_path, tmp_path)
    assert not list(tmp_path.iterdir()), "nothing is begun that cannot be finished"


def test_only_the_packages_of_missing_files_are_named(monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(pdf, "_found", lambda file: file != "titlesec.sty")
    assert pdf.missing() == ["texlive-latex-extra"]
