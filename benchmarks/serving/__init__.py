"""Parts of the benchmark of serving (`benchmarks/predict.py`)."""
