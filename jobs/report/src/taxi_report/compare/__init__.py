"""What a profile says beside the reference of its version and beside the span before."""
