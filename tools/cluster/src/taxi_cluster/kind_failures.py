"""Why kind or the engine refused, in words that name the remedy."""

import re

_REMEDIES = (
    (
        re.compile(r"(?:Bind for|listen tcp\d?) [\[\]0-9a-f.:]*?:(?P<what>\d+)\b.*?"
                   r"(?:port is already allocated|address already in use)", re.DOTALL),
        "port {what} is in use; end the program that has it (`ss -ltnp sport = :{what}`) or "
        "choose another port in k8s/kind-config.yaml",
    ),
    (
        re.compile(r"no space left on device"),
        "the disk is full; make room (`docker system df`) and repeat the command",
    ),
    (
        re.compile(r"too many open files", re.IGNORECASE),
        "too many open files: raise fs.inotify.max_user_instances to 512 and "
        "fs.inotify.max_user_watches to 524288 with sysctl",
    ),
    (
        re.compile(r"(?:/v2/|lookup |dial tcp )[^\n]*?(?:no such host|i/o timeout|"
                   r"connection refused|server misbehaving|TLS handshake timeout|"
                   r"Client\.Timeout exceeded|deadline exceeded|EOF|Service Unavailable)"),
        "a registry does not answer: see that this machine reaches it, or set TAXI_REGISTRY=none "
        "to have everything made here",
    ),
    (
        re.compile(r"unable to apply caps|operation not permitted"),
        "the engine cannot give a container all privileges; see docs/cluster-builder.md, "
        "section Pitfalls",
    ),
)  # fmt: skip


def remedy(log: str) -> str | None:
    """Return what to do about a failure, None when the log tells nothing known."""
    for pattern, text in _REMEDIES:
        if found := pattern.search(log):
            return text.format(**found.groupdict())
    return None
