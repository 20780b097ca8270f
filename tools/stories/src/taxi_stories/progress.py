"""How far a sender got, and the file that a later run goes on from."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from taxi_domain.errors import TaxiError


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sender got.

    Attributes:
        sent: Rows that were answered or refused.
        refused: Rows that were refused.
        labelled: Rows that nothing more is due for: the label was delivered, or there is none.
    """

    sent: int = 0
    refused: int = 0
    labelled: int = 0


@dataclass(frozen=True, slots=True)
class ProgressFile:
    """Where progress is kept, and of which rides.

    Attributes:
        path: The file; its folder has to exist.
        rides: Name of the file of rides.
        prefix: What stands before each id.
    """

    path: Path
    rides: str
    prefix: str = ""

    def load(self) -> Progress:
        """Return the progress of an earlier run; no file means from the beginning.

        Raises:
            TaxiError: it is damaged, or it is the progress of other rides.
        """
        try:
            kept = json.loads(self.path.read_text())
        except FileNotFoundError:
            return Progress()
        except OSError as error:
            raise TaxiError(f"{self.path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise TaxiError(f"{self.path}: is no progress file ({error}); remove it") from error
        try:
            rides, prefix = kept.pop("rides"), kept.pop("prefix")
            progress = Progress(**kept)
        except (AttributeError, KeyError, TypeError) as error:
            raise TaxiError(f"{self.path}: is no progress file ({error!r}); remove it") from error
        if (rides, prefix) != (self.rides, self.prefix):
            raise TaxiError(
                f"{self.path}: is the progress of {rides} with prefix {prefix!r}, not of "
                f"{self.rides} with prefix {self.prefix!r}; name another progress file"
            )
        return progress

    def save(self, progress: Progress) -> None:
        """Write the progress so that a crash leaves either the old or the new one.

        Raises:
            TaxiError: it cannot be written.
        """
        kept = {"rides": self.rides, "prefix": self.prefix, **asdict(progress)}
        temporary = self.path.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps(kept))
            os.replace(temporary, self.path)  # noqa: PTH105 - the atomic one
        except OSError as error:
            raise TaxiError(
                f"{self.path}: cannot be written ({error.strerror}); give a path in a folder "
                "that exists"
            ) from error
