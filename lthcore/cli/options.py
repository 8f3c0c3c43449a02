"""What the commands have in common: one clear error, options, and the completion of names in a shell."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

import lthcore
from lthcore.cli.endings import PIPE_CLOSED, code_of, interruption_in, silence
from lthcore.files import paths

# How a command ends that met results it could not read; 1 is any other error a user can mend, 2 a wrong option.
UNREADABLE = 3


@contextmanager
def one_clear_error() -> Iterator[None]:
    """Turn the errors a user can mend into one line; any other is a defect and keeps its traceback."""
    try:
        yield
    except KeyboardInterrupt as stop:
        typer.echo("interrupted", err=True)
        raise typer.Exit(code_of(stop)) from None
    except BrokenPipeError:  # whoever reads this has enough, as `head` has
        silence()
        raise typer.Exit(PIPE_CLOSED) from None
    except Exception as error:
        if interruption_in(error):
            raise
        from lthcore.datasets import DatasetError
        from lthcore.experiments.executors.processes import WorkerError
        from lthcore.experiments.store import StoreError, UnreadableError
        from lthcore.experiments.verify import VerificationError
        from lthcore.training.run import DivergedError

        if not isinstance(error, (DatasetError, DivergedError, StoreError, VerificationError, ValueError, WorkerError)):
            raise  # what the machine lacks is told at the end
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(UNREADABLE if isinstance(error, UnreadableError) else 1) from None


@contextmanager
def without_unreadable() -> Iterator[Callable[[Exception], None]]:
    """Name on stderr what cannot be read, go on without it, and say so by the way the command ends."""
    errors: list[Exception] = []

    def skipped(error: Exception) -> None:
        tell(f"left out: {error}")
        errors.append(error)

    yield skipped
    if errors:
        raise typer.Exit(UNREADABLE)


def tell(sentence: str) -> None:
    """Say something that is no result."""
    typer.secho(sentence, err=True, fg="yellow")


def _folder(given: str) -> Path:
    """A folder of results, which need not exist."""
    path = Path(given)
    with one_clear_error():
        if not given:
            raise ValueError("the folder of results has an empty name; name one, or . for this one")
        try:
            path.stat()
        except FileNotFoundError:
            return path
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}. Choose another folder for the results") from error
        if not path.is_dir():
            raise ValueError(f"{path} is a file. Choose another folder for the results")
    return path


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lthcore {lthcore.__version__}")
        raise typer.Exit


def _import(modules: list[str] | None) -> list[str]:
    """Import modules for what they register; those of the working folder are found, as Python finds them."""
    if modules and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with one_clear_error():
        for name in modules or []:
            try:
                import_module(name)
            except ModuleNotFoundError as error:
                if error.name not in (name, name.split(".")[0]):
                    raise  # a defect of the module itself
                raise ValueError(
                    f"cannot import {name!r}: {error}; give the name of a module that is installed or lies in this "
                    f"folder, such as --import mine for mine.py"
                ) from None
    return modules or []


def _register(files: list[Path] | None) -> list[str]:
    """Register the presets of files; returns their names."""
    names: list[str] = []
    with one_clear_error():
        for file in files or []:
            from lthcore.experiments import preset_files
            from lthcore.experiments.presets import PRESETS

            for name, preset in preset_files.load(file).items():
                PRESETS.register(name, preset, replace=True)
                names.append(name)
    return names


def _completed(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """A function that completes what was typed from these names, which load no TensorFlow."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def _preset_names() -> Iterable[str]:
    from lthcore.experiments.presets import PRESETS

    return PRESETS


def _data_names() -> Iterable[str]:
    from lthcore import datasets

    return dict.fromkeys([*datasets.NAMES, *datasets.SOURCES])


def _identities() -> Iterable[str]:
    roots = (root for root in (paths.results(), paths.runs()) if root.is_dir())
    return sorted({folder.name for root in roots for folder in root.iterdir() if folder.is_dir()})


PRESET = typer.Argument(help="A preset; `presets` lists them.", autocompletion=_completed(_preset_names))
IDENTITY = typer.Argument(
    help="Identity of a stored experiment, or how it begins.", autocompletion=_completed(_identities)
)
Data = Annotated[str, typer.Argument(help="Data set.", autocompletion=_completed(_data_names))]
Trials = Annotated[int | None, typer.Option(help="Number of trials.", show_default=False)]
Workers = Annotated[int, typer.Option(min=1, help="Processes, one thread each; 1 stays in this process.")]
Kind = Annotated[
    str,
    typer.Option(
        "--executor", help="Who computes: processes, those of this machine, or dask, the workers of a --scheduler."
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(help="Address of a Dask scheduler, or the file it wrote.", metavar="ADDRESS", show_default=False),
]
Shared = Annotated[
    bool,
    typer.Option(
        "--shared-folder/--no-shared-folder", help="Whether the workers of a cluster see the folder of results."
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="What trains: auto, dense, or sparse, kernels for stacks of dense layers and Kim's network. A search "
        "that has begun goes on as it did."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder of results; your own if not given.", show_default=False, parser=_folder, metavar="FOLDER"
    ),
]
Stored = Annotated[
    Path | None,
    typer.Option(help="Folder of results; all known ones if not given.", parser=_folder, metavar="FOLDER"),
]
Imports = Annotated[
    list[str] | None,
    typer.Option("--import", metavar="MODULE", callback=_import, is_eager=True, help="Module that registers your own."),
]
Files = Annotated[
    list[Path] | None, typer.Option("--preset-file", callback=_register, help="TOML file of presets of your own.")
]
Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
]
