"""What a policy would have done: the fold of the operator's plan over Prometheus' history."""
