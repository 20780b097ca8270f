"""Licences of what is in an image, as SPDX names them."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

#: Debian's packages: what their `copyright` says of what is in the image (not of their tests, tools
#: and documents). A copyright file lists each file of the source; this is the judgement.
DEBIAN: Final = {
    "base-files": "GPL-2.0-or-later",
    "coreutils": "GPL-3.0-or-later",
    "dash": "BSD-3-Clause AND GPL-2.0-or-later",
    "libacl1": "LGPL-2.1-or-later",
    "libattr1": "LGPL-2.1-or-later",
    "libbz2-1.0": "bzip2-1.0.6",
    "libc6": "LGPL-2.1-or-later",
    "libcap2": "BSD-3-Clause OR GPL-2.0-only",
    "libcrypt1": "LGPL-2.1-or-later",
    "libexpat1": "MIT",
    "libffi8": "MIT",
    "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libgmp10": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "liblzma5": "0BSD",
    "libpcre2-8-0": "BSD-3-Clause",
    "libpython3.11-minimal": "PSF-2.0",
    "libpython3.11-stdlib": "PSF-2.0",
    "libselinux1": "LicenseRef-public-domain",
    "libsqlite3-0": "LicenseRef-public-domain",
    "libssl3t64": "Apache-2.0",
    "libstdc++6": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libsystemd0": "LGPL-2.1-or-later",
    "libuuid1": "BSD-3-Clause",
    "libzstd1": "BSD-3-Clause OR GPL-2.0-only",
    "python3.11-minimal": "PSF-2.0",
    "tzdata": "LicenseRef-public-domain",
    "zlib1g": "Zlib",
}
#: Python distributions whose own words say less than their licence file.
PYTHON: Final = {
    "patsy": "BSD-2-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "requests-oauthlib": "ISC",
    "text-unidecode": "Artistic-1.0-Perl OR GPL-2.0-or-later",
    "uvloop": "Apache-2.0 OR MIT",
}
#: Words of the field `License`, which is free text, by its first line.
_WORDS: Final = {
    "0BSD": "0BSD",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License v2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD-2-Clause": "BSD-2-Clause",
    "BSD-3-Clause": "BSD-3-Clause",
    "ISC": "ISC",
    "ISC License": "ISC",
    "MIT": "MIT",
    "MIT Licence": "MIT",
    "MIT License": "MIT",
    "MIT OR Apache-2.0": "MIT OR Apache-2.0",
    "MIT license": "MIT",
    "MPL-2.0": "MPL-2.0",
    "MPL-2.0 AND MIT": "MPL-2.0 AND MIT",
    "PSF-2.0": "PSF-2.0",
    "PSFL": "PSF-2.0",
    "The MIT License (MIT)": "MIT",
}
_CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
#: Licences whose works may be distributed beside, and used by, a work under Apache-2.0. Weak
#: copyleft (LGPL, MPL) binds only changes of these works themselves, and libraries are linked
#: dynamically; GPL stands for programs of Debian that are separate works, and for GCC's runtime
#: with its exception.
ALLOWED: Final = frozenset(
    {
        "0BSD", "Apache-2.0", "Artistic-1.0-Perl", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0",
        "CNRI-Python", "ISC", "LGPL-2.1-or-later", "LGPL-3.0-or-later", "LicenseRef-public-domain",
        "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "TCL", "Unlicense", "ZPL-2.1", "Zlib",
        "bzip2-1.0.6", "GPL-3.0-or-later WITH GCC-exception-3.1",
    }
)  # fmt: skip
#: Debian's separate programs and files, under licences that ALLOWED does not have.
ALLOWED_PROGRAMS: Final = frozenset({"base-files", "coreutils", "dash"})


def of_python(
    name: str, expression: str | None, words: str | None, classifiers: Sequence[str]
) -> str | None:
    """Return the SPDX expression of a distribution, None where its metadata does not tell.

    Args:
        name: Normalised name.
        expression: The field License-Expression.
        words: The field License.
        classifiers: All of its classifiers.

    >>> of_python("six", None, "MIT", [])
    'MIT'
    """
    if name in PYTHON:
        return PYTHON[name]
    if expression:
        return expression
    first = (words or "").strip().split("\n")[0].strip()
    if first in _WORDS:
        return _WORDS[first]
    known = {_CLASSIFIERS.get(one.rsplit(" :: ", 1)[-1]) for one in classifiers
             if one.startswith("License ::")} - {None}  # fmt: skip
    return known.pop() if len(known) == 1 else None


def is_allowed(name: str, expression: str) -> bool:
    """Tell whether a component may be in the images.

    Every part of an AND has to be allowed, and one of an OR.

    >>> is_allowed("x", "MPL-2.0 AND (Apache-2.0 OR GPL-2.0-only)")
    True
    >>> is_allowed("x", "MIT AND GPL-2.0-only")
    False
    """
    return name in ALLOWED_PROGRAMS or _holds(expression)


def _holds(expression: str, allowed: frozenset[str] = ALLOWED) -> bool:
    """Evaluate an SPDX expression: AND binds stronger than OR, and parentheses strongest."""
    known: dict[str, bool] = {}
    text = expression
    for exception in re.findall(r"[\w.+-]+ WITH [\w.+-]+", text):
        known[token := f"x{len(known)}"] = exception in allowed
        text = text.replace(exception, token)
    while found := re.search(r"\(([^()]*)\)", text):
        known[token := f"x{len(known)}"] = _flat(found[1], known, allowed)
        text = text.replace(found[0], token)
    return _flat(text, known, allowed)


def _flat(text: str, known: Mapping[str, bool], allowed: frozenset[str]) -> bool:
    return any(
        all(known.get(one.strip(), one.strip() in allowed) for one in part.split(" AND "))
        for part in text.split(" OR ")
    )
