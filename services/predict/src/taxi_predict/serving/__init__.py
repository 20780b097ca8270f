"""From a request's rows to predictions, without HTTP."""
