"""Users, roles, indexes and retention of a MongoDB."""
