"""`taxi-policy lint`: all that is wrong with policies in files, without a cluster."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from taxi_domain.runs import EXIT_FAILED
from taxi_operator.cli.files import name_of, namespace_of, policies_in
from taxi_operator.cli.options import As, Namespace, Output, errors, print_json
from taxi_operator.spec.lint import Problem, Severity, problems_of

Document = dict[str, Any]


def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML with policies.")],
    namespace: Namespace = "",
    output: As = Output.TEXT,
    strict: Annotated[bool, typer.Option(help="Warnings are problems too.")] = False,
) -> None:
    """Tell every problem of policies with its field and remedy, and what is legal but unwise.

    Exit code 1 when the API server or the operator would refuse one of them.
    """
    now = time.time()
    with errors():
        checked = [
            (file, name_of(one), problems_of(one.get("spec"), namespace_of(one, namespace), now))
            for file in files
            for one in policies_in(file)
        ]
    found = [problem for _, _, problems in checked for problem in problems]
    if output is Output.JSON:
        print_json([_document(*one) for one in checked])
    else:
        for one in checked:
            _print(*one)
    failed = [one for one in found if strict or one.severity is Severity.ERROR]
    if failed:
        raise typer.Exit(EXIT_FAILED)


def _document(file: Path, policy: str, problems: list[Problem]) -> Document:
    return {
        "file": str(file), "policy": policy,
        "problems": [
            {
                "severity": str(one.severity), "field": one.field, "problem": one.problem,
                "remedy": one.remedy,
            }
            for one in problems
        ],
    }  # fmt: skip


def _print(file: Path, policy: str, problems: list[Problem]) -> None:
    count = sum(one.severity is Severity.ERROR for one in problems)
    told = f"{count} errors, {len(problems) - count} warnings" if problems else "nothing to say"
    typer.echo(f"{file}: {policy}: {told}")
    for one in problems:
        typer.echo(f"  {one.severity}: {one.field}: {one.problem}; {one.remedy}")
