"""What is known of the taxi zones: boroughs and airports.

Source: the taxi zone lookup table of the NYC Taxi & Limousine Commission,
https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page
"""

from typing import Final

#: Borough of each zone, from zone 1 on, by its letter in `BOROUGHS`.
ZONE_BOROUGHS: Final = (
    "EQXMSSQQQQKMMKQQKXQXKKSMKKQQKQXXKKKKKQKKMMMSMXXMKMXKQKKQQXXXKKKQKKKMXQKKQMMKKXMK"
    "XQQSKQMMKMKQQXQQKQSMQQMMMKMKSSKKMMSMQSXMQQKQMXMMQQQQKQQXMQQMMMMMQQXMKKMMMKKSQMXQ"
    "MMMMKMXXXMQSQXQSKKQQKXXXXMSKKKQQQMKQQQXXQMQSQSQXMKMXXSQQKQQXSKQMKQKKMMMMMMXMMMMX"
    "XXMMSMXXMXSQQXKKKQXQMMMUU"
)
BOROUGHS: Final = {
    "X": "Bronx", "K": "Brooklyn", "M": "Manhattan", "Q": "Queens", "S": "Staten Island",
    "E": "Newark", "U": "unknown",
}  # fmt: skip
#: Newark, JFK, LaGuardia.
AIRPORT_ZONES: Final = (1, 132, 138)


def borough_of(zone: int) -> str:
    """Return the borough of a zone.

    >>> borough_of(132), borough_of(265)
    ('Queens', 'unknown')
    """
    return BOROUGHS[ZONE_BOROUGHS[zone - 1]]
