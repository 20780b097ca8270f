"""The parts as processes on loopback, without a cluster: for `make try` and for tests."""
