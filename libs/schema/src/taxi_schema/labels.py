"""Labels: the true value of the target, posted later."""

from typing import NamedTuple

from taxi_domain.errors import FieldError
from taxi_domain.ids import check_id
from taxi_domain.numbers import MAX_NUMBER
from taxi_schema.errors import number_text
from taxi_schema.refusals import limits_text, number_of
from taxi_schema.schema import Schema


class Label(NamedTuple):
    """A label: id of the row, and the target in its unit."""

    id: str
    value: float


class LabelParser:
    """Checks posted labels: an object with the id and the target, by the schema's names."""

    def __init__(self, schema: Schema) -> None:
        target = schema.target
        self._id, self._target = schema.id, target.name
        self._low = -MAX_NUMBER if target.label_minimum is None else target.label_minimum
        self._high = MAX_NUMBER if target.label_maximum is None else target.label_maximum
        limits = limits_text(target.label_minimum, target.label_maximum)
        self._number = f"send {number_of(target.unit)}"
        self._open = (
            f"send {number_of(target.unit)} up to {number_text(MAX_NUMBER)} in size; label_minimum "
            "and label_maximum of the schema's target refuse more"
        )
        self._limits = f"send {target.unit}{limits}" if target.unit and limits else (
            f"{self._number}{limits}"
        )  # fmt: skip

    def parse(self, body: object) -> Label:
        """Check one decoded label.

        Raises:
            FieldError: names the field that is missing or out of the limits of labels.
        """
        if not isinstance(body, dict):
            raise FieldError("label", "is not a JSON object", f"send {self._id} and {self._target}")
        key = check_id(body.get(self._id), self._id)
        value = body.get(self._target)
        if isinstance(value, bool) or not isinstance(value, int | float):
            problem = "is missing" if value is None else "is not a number"
            raise FieldError(self._target, problem, self._number)
        if not self._low <= value <= self._high:
            open_end = -self._low == MAX_NUMBER if value < self._low else self._high == MAX_NUMBER
            raise FieldError(
                self._target, "is out of its limits", self._open if open_end else self._limits
            )
        return Label(key, float(value))
