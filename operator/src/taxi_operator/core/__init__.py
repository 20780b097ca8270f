"""What follows from what is seen: pure."""
