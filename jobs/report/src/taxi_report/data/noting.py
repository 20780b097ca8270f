"""Options of who asks for an action, and why."""

from typing import Annotated

import typer

By = Annotated[str, typer.Option("--by", help="Who asks for it; for the audit.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; for the audit.")]
