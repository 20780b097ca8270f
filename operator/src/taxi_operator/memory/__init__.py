"""What a policy's status remembers between two reconciles: pure."""
