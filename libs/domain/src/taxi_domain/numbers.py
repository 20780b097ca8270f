"""Which numbers the system takes."""

from typing import Final

#: Largest size of a number in a request, a label or a report: sums of squares of as many rows as
#: there are stay finite. What is larger is no measurement.
MAX_NUMBER: Final = 1e100
