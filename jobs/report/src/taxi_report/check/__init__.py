"""Whether data and model behave as conditions say, for a step of a pipeline of one's own."""
