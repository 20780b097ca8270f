"""Under which number the delivery exports its metrics."""

from typing import Final

#: Of no process: deliveries, of which one runs at a time, go on in the same files. With a pid each
#: one that dies would leave a set behind, in a folder that is bounded.
IDENTITY: Final = 0
