"""Telling another system of decisions: the notice, how it is signed and sent, and its outbox."""
