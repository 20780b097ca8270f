"""The verdict by evidence: blocks of the log, in the order of storing, judged one by one."""
