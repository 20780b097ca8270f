"""Linux capabilities: which of them this machine cannot give to a container.

A privileged container asks for all that the kernel knows. Where the machine itself lacks
one (a sandbox), runc refuses. Then the engine gets a runtime that leaves the missing
names out; see bounded_runtime.py.
"""

from pathlib import Path

#: Names by number, as in linux/capability.h.
_WORDS = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
NAMES = tuple(_WORDS.split())


def missing_from(bounding_set: int, last_capability: int) -> list[str]:
    """Return the names that the kernel knows and the bounding set lacks.

    >>> missing_from(0b1011, 3)
    ['CAP_DAC_READ_SEARCH']
    """
    known = min(last_capability + 1, len(NAMES))
    return [f"CAP_{NAMES[bit]}" for bit in range(known) if not bounding_set >> bit & 1]


def missing_here() -> list[str]:
    """Return the capabilities that this machine lacks."""
    status = Path("/proc/self/status").read_text()
    bounding = next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd"))
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return missing_from(int(bounding, 16), last)
