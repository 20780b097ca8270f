"""HTTP of the predictor."""
