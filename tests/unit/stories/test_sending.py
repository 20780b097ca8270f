"""Sending rides and labels: nothing lost, nothing doubled, and it goes on where it ended."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_stories.progress import Progress, ProgressFile
from taxi_stories.rows import Body, LabelledBody
from taxi_stories.sender import Addresses, Rate, RefusedError, Sender


@dataclass
class City:
    """A real HTTP server that takes rides and labels, and can be told to fail."""

    url: str = ""
    rides: list[str] = field(default_factory=list)
    labels: dict[str, float] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)

    def answer(self, path: str, body: Any) -> tuple[int, object]:
        if self.failures:
            return self.failures.pop(0), {"detail": "told to fail"}
        if path == "/v1/labels":
            taken = {one["ride_id"]: one["duration"] for one in body["labels"]}
            taken = {ride_id: minutes for ride_id, minutes in taken.items() if minutes >= 0}
            self.labels.update(taken)
            refused = [{"field": "duration"}] * (len(body["labels"]) - len(taken))
            return 200, {"accepted": len(taken), "refused": refused}
        bodies = body if isinstance(body, list) else [body]
        self.rides += [one["ride_id"] for one in bodies]
        answers = [
            {"ride_id": one["ride_id"], "duration": 1.0}
            if one["trip_distance"] < 100
            else {"field": "trip_distance"}
            for one in bodies
        ]
        return 200, answers if isinstance(body, list) else answers[0]


@pytest.fixture
def city() -> Iterator[City]:
    town = City()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = town.answer(self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    town.url = f"http://127.0.0.1:{server.server_port}"
    yield town
    server.shutdown()
    thread.join()
    server.server_close()


def rides(count: int, distance: float = 1.0) -> list[LabelledBody]:
    return [
        LabelledBody({"ride_id": f"r{number}", "trip_distance": distance}, float(number))
        for number in range(count)
    ]


def sender(city: City, count: int, rate: Rate, file: ProgressFile | None = None) -> Sender:
    addresses = Addresses(lambda: city.url, lambda: city.url, "secret")
    return Sender(rides(count), addresses, rate, progress_file=file)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_every_ride_and_label_arrives_once(city: City, batch_size: int) -> None:
    done = sender(city, 25, Rate(100_000, batch_size, 0.0)).run()

    assert done == Progress(sent=25, refused=0, labelled=25)
    assert city.rides == [f"r{number}" for number in range(25)]
    assert city.labels == {f"r{number}": float(number) for number in range(25)}


@pytest.mark.parametrize("unlabelled", [{0}, {3, 4}, {0, 1, 2, 3, 4}])
def test_rows_without_a_label_are_sent_and_nothing_is_due_for_them(
    city: City, unlabelled: set[int]
) -> None:
    rows = [
        Body(row.body, None) if number in unlabelled else row for number, row in enumerate(rides(5))
    ]
    addresses = Addresses(lambda: city.url, lambda: city.url, "secret")

    done = Sender(rows, addresses, Rate(100_000, 5, 0.0)).run()

    assert done == Progress(sent=5, refused=0, labelled=5)
    assert len(city.rides) == 5
    assert set(city.labels) == {f"r{number}" for number in range(5) if number not in unlabelled}


def test_failing_answers_are_sent_again(city: City) -> None:
    city.failures = [503, 500, 429]

    done = sender(city, 5, Rate(100_000, 5, 0.0)).run()

    assert done.sent == done.labelled == 5
    assert len(city.labels) == 5


def test_end_of_patience_is_an_error_with_the_answer(city: City) -> None:
    city.failures = [503] * 50

    with pytest.raises(NotAvailableError, match="503"):
        sender(city, 5, Rate(100_000, 5, 0.0, patience_seconds=0.5)).run()


def test_wrong_token_ends_at_once(city: City) -> None:
    city.failures = [401]

    with pytest.raises(RefusedError, match="401"):
        sender(city, 1, Rate(100_000, 1, 0.0)).run()


def test_interrupted_run_goes_on_where_it_ended(city: City, tmp_path: Path) -> None:
    file = ProgressFile(tmp_path / "progress.json", "rides.parquet")
    first = sender(city, 10, Rate(100_000, 2, 3600.0), file)
    first._on_progress = lambda progress: first.stop.set() if progress.sent >= 4 else None
    first.run()

    second = sender(city, 10, Rate(100_000, 2, 0.0), file).run()

    assert second == Progress(sent=10, refused=0, labelled=10)
    assert sorted(city.rides) == sorted(set(city.rides))
    assert len(city.labels) == 10


def test_reserve_waits_until_it_may_be_spent(city: City) -> None:
    addresses = Addresses(lambda: city.url, lambda: city.url, "secret")
    one = Sender(rides(10), addresses, Rate(100_000, 4, 0.0), reserve=3)
    before: list[int] = []

    def spend(progress: Progress) -> None:
        # The labels of what was sent arrive while the rest waits.
        if progress.labelled == 7 and not before:
            before.append(progress.sent)
            one.spend.set()

    one._on_progress = spend
    done = one.run()

    assert before == [7]
    assert done == Progress(sent=10, refused=0, labelled=10)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"sent": 3, "refused": 0, "labelled": 0}'])
def test_damaged_progress_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "progress.json"
    file.write_text(text)

    with pytest.raises(TaxiError, match=r"progress\.json: is no progress file"):
        ProgressFile(file, "rides.parquet").load()


@pytest.mark.parametrize(("rides", "prefix"), [("other.parquet", "p-"), ("rides.parquet", "q-")])
def test_progress_of_other_rides_is_refused(tmp_path: Path, rides: str, prefix: str) -> None:
    file = tmp_path / "progress.json"
    ProgressFile(file, "rides.parquet", "p-").save(Progress(sent=7))

    assert ProgressFile(file, "rides.parquet", "p-").load().sent == 7
    with pytest.raises(TaxiError, match=r"is the progress of rides\.parquet with prefix 'p-'"):
        ProgressFile(file, rides, prefix).load()


def test_nothing_is_sent_when_the_progress_cannot_be_written(city: City, tmp_path: Path) -> None:
    file = ProgressFile(tmp_path / "no" / "such" / "p.json", "rides.parquet")

    with pytest.raises(TaxiError, match="give a path in a folder that exists"):
        sender(city, 5, Rate(100_000, 1, 0.0), file).run()

    assert city.rides == []


def test_refused_labels_are_counted_and_end_nothing(city: City) -> None:
    addresses = Addresses(lambda: city.url, lambda: city.url, "secret")
    impossible = LabelledBody({"ride_id": "ended-before-it-began", "trip_distance": 1.0}, -3.5)
    one = Sender([impossible, *rides(4)], addresses, Rate(100_000, 5, 0.0))

    assert one.run() == Progress(sent=5, refused=0, labelled=5)
    assert one.label_refusals == {"duration": 1}
    assert len(city.labels) == 4


def test_refused_rides_are_counted_by_field(city: City) -> None:
    addresses = Addresses(lambda: city.url, lambda: city.url, "secret")
    one = Sender(rides(3, distance=1000), addresses, Rate(100_000, 3, None))

    assert one.run().refused == 3
    assert one.refusals == {"trip_distance": 3}
