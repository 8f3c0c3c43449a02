"""``python -m companion``: execute the chapters, build the site, print the PDF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import typer
from tqdm import tqdm

from lthcore.files import paths

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What makes the book a book. Computing the results it shows is the work of `python -m lthcore`.",
)


@contextmanager
def _one_clear_error() -> Iterator[None]:
    """Turn what did not build into one message; any other error is a defect and keeps its traceback."""
    try:
        from papermill import PapermillExecutionError
    except ModuleNotFoundError as error:
        typer.secho(
            f"error: {error.name} is not installed. The book is built with the packages of the extra `book`: "
            f"pip install lthcore[book], or pip install -r requirements.txt in a checkout",
            err=True,
            fg="red",
        )
        raise typer.Exit(1) from None
    try:
        yield
    except (RuntimeError, PapermillExecutionError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(1) from None


@app.command()
def notebooks() -> None:
    """Execute every chapter with its published parameters and renew the committed notebooks."""
    with _one_clear_error():
        from companion import notebooks as chapters

        for source in tqdm(chapters.sources(), unit="chapter"):
            chapters.renew(source)


@app.command()
def book() -> None:
    """Execute every chapter into a build folder and build the site. Leaves the working tree as it is."""
    with _one_clear_error():
        from companion import notebooks as chapters

        page = chapters.build_book(progress=partial(tqdm, unit="chapter"))
        typer.echo(f"The book is at {page}")


@app.command()
def pdf() -> None:
    """Print the book as a PDF by LaTeX, from the committed notebooks. Executes nothing."""
    with _one_clear_error():
        from companion.pdf import build_pdf

        typer.echo(f"The PDF is at {build_pdf(paths.project_root(), paths.project_root())}")


if __name__ == "__main__":
    app()
