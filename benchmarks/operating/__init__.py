"""Parts of the measurement of the operator."""
