"""What tests share: real servers on loopback, faults, load, and data."""
