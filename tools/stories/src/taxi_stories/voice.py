"""Where a story is told: a terminal, which several stories may share line by line."""

import threading
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

#: A table of one story is not torn apart by a line of another.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class Voice:
    """A console; where others speak too, a name stands before each line.

    Attributes:
        name: Empty where nobody else speaks.
        console: Where it is printed.
    """

    name: str = ""
    console: Console = field(default_factory=Console)

    def print(self, what: Any, **options: Any) -> None:
        """Print as the console does, all lines of it together."""
        if not self.name:
            self.console.print(what, **options)
            return
        before = f"{self.name:<13} | "
        with self.console.capture() as captured:
            self.console.print(what, width=self.console.width - len(before), **options)
        lines = captured.get().splitlines()
        with _ONE_AT_A_TIME:
            self.console.file.write("".join(f"{before}{line}".rstrip() + "\n" for line in lines))
            self.console.file.flush()

    def say(self, text: str) -> None:
        """Print a sentence below another one, as it is."""
        self.print(f"  {text}", highlight=False, soft_wrap=True)
