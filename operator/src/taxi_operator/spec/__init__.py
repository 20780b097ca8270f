"""What people ask for: policies as values, their bounds, who claims a target."""
