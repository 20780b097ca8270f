"""Entry of `taxi-policy`; also `python -m taxi_operator.cli.main`.

Exit codes: 0 done, 1 failed or problems found, 2 usage, 3 somebody else was faster.
"""

import typer

from taxi_operator.cli import approve, compare, explain, force, lint, replay, requests

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Check, explain and replay DriftPolicies, and ask them for something by hand.",
)  # fmt: skip
app.command()(lint.lint)
app.command()(explain.explain)
app.command()(replay.replay)
app.command()(compare.compare)
app.command()(requests.retrain)
app.command()(requests.abort)
app.command()(requests.rollback)
app.command()(approve.approve)
app.command()(force.force)
app.command()(force.unforce)


if __name__ == "__main__":
    app()
