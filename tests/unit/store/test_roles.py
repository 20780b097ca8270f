"""What each component may do in MongoDB."""

from taxi_domain import mongodb
from taxi_domain.mongodb import ARTIFACTS_BUCKET, AUDIT
from taxi_store.admin.roles import RESTORED, ROLES
from taxi_store.log.deletion import ROW_COLLECTIONS

#: Names of the database that are no collections of what a backup restores.
OTHERS = {mongodb.DATABASE, ARTIFACTS_BUCKET, AUDIT}


def test_a_backup_can_be_restored_into_every_collection() -> None:
    names = {value for name, value in vars(mongodb).items() if name.isupper()}

    assert set(RESTORED) == names - OTHERS | {
        f"{ARTIFACTS_BUCKET}.files",
        f"{ARTIFACTS_BUCKET}.chunks",
    }


def test_it_is_known_where_a_row_has_to_be_deleted() -> None:
    """What is new among the collections is put here, or into `taxi_store.log.deletion`."""
    files = {f"{ARTIFACTS_BUCKET}.files", f"{ARTIFACTS_BUCKET}.chunks"}
    deleted = {*ROW_COLLECTIONS, mongodb.LABELS, mongodb.REPORTS}

    # Blocks of the verdict name their last row, by which the monitor goes on. Halves of inferences
    # have ids of their own, and are gone within the hour.
    without = {
        mongodb.RUNS, mongodb.MODELS, mongodb.ALIASES, mongodb.VERDICTS, mongodb.REFUSALS,
        mongodb.PENDING,
    }  # fmt: skip

    assert set(RESTORED) == deleted | files | without


def test_nobody_changes_the_audit() -> None:
    for component, rights in ROLES.items():
        changing = {*rights.get(AUDIT, ()), *rights.get("", ())} & {"update", "remove", "collMod"}
        assert not changing, component


def test_what_has_open_doors_cannot_cut_the_audit() -> None:
    for component in ("predictor", "monitor", "report"):
        assert {*ROLES[component].get(AUDIT, ())} <= {"find", "insert"}, component


def test_a_backup_changes_nothing() -> None:
    assert ROLES["backup"] == {
        "": ("find", "listCollections", "listIndexes"),
        AUDIT: ("createCollection", "convertToCapped", "insert"),
    }
