"""Check bills of materials against CycloneDX's schema; runs with what images/bills.txt pins."""

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main(*paths: str) -> int:
    """Return 1 when a bill does not fit."""
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    answers = {path: validator.validate_str(Path(path).read_text()) for path in paths}
    wrong = {path: problem for path, problem in answers.items() if problem}
    for path, problem in wrong.items():
        print(f"{path}: {problem}", file=sys.stderr)
    print(f"{len(paths) - len(wrong)} of {len(paths)} bills fit CycloneDX 1.6")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
