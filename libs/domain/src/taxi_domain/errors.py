"""Base of all errors that the project raises on purpose.

Edges translate them: Flask into problem documents, command lines into exit codes, the
operator into conditions. Whatever is not a `TaxiError` is a defect.
"""


class TaxiError(Exception):
    """Something that the caller can act on; its text names the thing and the remedy."""


class FieldError(TaxiError):
    """A value that a user gave is not usable.

    Attributes:
        field: Name of the field as the user wrote it.
        problem: What is wrong with it.
        remedy: What the user can do.
    """

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field}: {problem}; {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy


class NotAvailableError(TaxiError):
    """A system that is needed does not answer at the moment; trying later can help."""
