"""`taxi-policy`: the command line for policies, one file a command."""
