"""How good a drift verdict is on real rows: streams, shifts put into them, detectors, tables."""
