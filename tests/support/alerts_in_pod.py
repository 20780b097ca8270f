"""Run in a pod: prints each alert of each notification that is posted to it, one line each."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    """Takes what Alertmanager posts to `/RECEIVER`."""

    def do_POST(self) -> None:
        """Print the alerts."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in body["alerts"]:
            line = {
                "at": time.time(), "receiver": self.path.strip("/"),
                "group": sorted(body["groupLabels"]), "together": len(body["alerts"]),
                "status": alert["status"], "labels": alert["labels"],
                "runbook_url": alert["annotations"].get("runbook_url", ""),
                "began": alert["startsAt"], "ended": alert["endsAt"],
            }  # fmt: skip
            sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    HTTPServer(("", 8080), Handler).serve_forever()
