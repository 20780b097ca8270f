"""What to do next: pure. From what is remembered and what is seen to a new memory and effects."""
