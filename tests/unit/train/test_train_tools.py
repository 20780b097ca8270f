"""The commands that need files only, from a table to artifacts."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.labelled import labelled, orders
from typer.testing import CliRunner

from taxi_schema.reading import read_schema, schema_of_toml
from taxi_store.registry.artifacts import unpack
from taxi_train.artifact.onnx_model import check_limits, model_of
from taxi_train.artifact.own_graph import OwnGraph, pack_graph
from taxi_train.data.rows import features_of
from taxi_train.main import app
from taxi_train.training_rows import training_rows

SCHEMA = orders()


def tool(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Write labelled rows with ids, texts of prose, codes and holes."""
    rows = labelled(SCHEMA, 2500)
    columns = dict(rows.columns)
    area = columns.pop("area")
    pq.write_table(
        pa.table({
            "order": [f"o{place}" for place in range(2500)],
            "placed": rows.event_times,
            **{name: pa.array(values, from_pandas=True) for name, values in columns.items()},
            "gift": columns["gift"].astype(bool),
            "area_id": pa.array(area, pa.int64(), mask=area == area.min()),
            "remark": [f"no {place} is like another" for place in range(2500)],
            "a.b": np.zeros(2500),
            "nothing": pa.nulls(2500),
            "price": rows.target,
        }),
        tmp_path / "orders.parquet",
    )  # fmt: skip
    return tmp_path / "orders.parquet"


def guessed(table: Path) -> Path:
    roles = ("--id", "order", "--event-time", "placed", "--target", "price")
    text = tool("init", table, *roles)
    path = table.parent / "schema.toml"
    path.write_text(text)
    return path


def test_a_guessed_schema_suits_its_file(table: Path) -> None:
    path = guessed(table)

    schema = schema_of_toml(path.read_bytes())

    kinds = {column.name: (column.kind, column.nullable) for column in schema.columns}
    assert kinds == {
        "shop": ("category", False), "weight": ("number", False), "age": ("number", True),
        "gift": ("boolean", False), "app": ("category", False), "notes": ("number", False),
        "area_id": ("category", True),
    }  # fmt: skip
    text = path.read_text()
    assert '# Left out: "remark" has 2500 different texts: ids or prose.' in text
    assert '# Left out: "a.b" cannot be a name' in text
    assert '# Left out: "nothing" has no value.' in text
    assert tomllib.loads(text)["fallback"]["monotonic"] in {"weight", "age"}
    assert "2500 of 2500 rows can be trained on" in tool("check", "--schema", path, "--data", table)


def test_a_schema_is_guessed_of_views_and_short_floats_too(table: Path) -> None:
    wide = pq.read_table(table)
    text = guessed(table).read_text()
    types = {"shop": pa.string_view(), "remark": pa.string_view(), "age": pa.float16()}
    narrow = [
        wide[name].cast(types.get(name, wide[name].type)) for name in wide.column_names
    ]  # fmt: skip
    pq.write_table(pa.table(narrow, wide.column_names), table)

    shorter = guessed(table).read_text()

    strip = r"# The file has .*|# correlation .*"
    assert re.sub(strip, "", shorter) == re.sub(strip, "", text)


def test_what_is_not_available_in_csv_is_guessed_as_it_is_read(tmp_path: Path) -> None:
    words = ("NA", "N/A", "NaN", "nan", "null", "NULL", "None", "")
    lines = [f"{word},{word},{word},{word},{word}" for word in words]
    lines += [f"{place}.5,{place}.5,{place % 9},true,a" for place in range(40)]
    table = tmp_path / "rows.csv"
    table.write_text("\n".join(["y,number,zone_id,flag,text", *lines]) + "\n")

    path = tmp_path / "schema.toml"
    path.write_text(tool("init", table, "--target", "y"))

    columns = {column.name: column for column in schema_of_toml(path.read_bytes()).columns}
    assert {name: (str(column.kind), column.nullable) for name, column in columns.items()} == {
        "number": ("number", True), "zone_id": ("number", True), "flag": ("boolean", True),
        "text": ("category", True),
    }  # fmt: skip
    assert 'values = ["N/A", "NA", "NULL", "NaN", "None", "a", "nan", "null"]' in path.read_text()
    assert "missing in 1 of 48" in path.read_text(), "texts may be called so"
    printed = tool("check", "--schema", path, "--data", table)
    assert printed.splitlines()[-1] == "40 of 48 rows can be trained on"


@pytest.mark.parametrize(
    ("target", "text"), [("remark", "holds no numbers"), ("absent", "has no column absent")]
)
def test_a_target_that_is_no_number_is_refused(
    table: Path, target: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    tool("init", table, "--target", target, code=1)

    assert text in caplog.text


def test_check_names_columns_and_reasons(table: Path) -> None:
    path = guessed(table)
    narrow = path.read_text().replace('name = "weight"\nkind = "number"', (
        'name = "weight"\nkind = "number"\n'
    )).replace("minimum = 0\nmaximum = 2000", "minimum = 0\nmaximum = 50")  # fmt: skip
    path.write_text(narrow)

    printed = tool("check", "--schema", path, "--data", table)

    assert "weight: " in printed
    assert "rows refused: limits" in printed


def test_check_fit_and_pack_agree_about_rows_that_cannot_be_read(
    table: Path, tmp_path: Path
) -> None:
    path = guessed(table)
    there = pq.read_table(table)
    size = there.num_rows
    ages = ["odd" if place < 300 else "1.5" for place in range(size)]
    times = ["never" if place >= size - 200 else str(time) for place, time in enumerate(
        there["placed"].to_pylist()
    )]  # fmt: skip
    for name, values in (("age", ages), ("placed", times)):
        there = there.set_column(there.column_names.index(name), name, pa.array(values))
    csv = tmp_path / "odd.csv"
    pc.write_csv(there, csv)
    schema = read_schema(path)

    printed = tool("check", "--schema", path, "--data", csv)
    rows = training_rows(schema, csv)

    assert "age: 300 rows refused: type" in printed
    assert "placed: 200 rows refused: type" in printed
    assert f"{size - 500} of {size} rows can be trained on" in printed
    assert len(rows) == size - 500
    own = OwnGraph(path, own_graph(tmp_path / "own.onnx"), csv)
    assert pack_graph(own).card["metrics"]["rows"] == size - 500


def test_fit_makes_both_models_of_a_guessed_schema(table: Path) -> None:
    out = table.parent / "models"

    tool("fit", "--schema", guessed(table), "--data", table, "--out", out)

    for name in ("champion", "fallback"):
        artifact = unpack((out / f"{name}.tar").read_bytes())
        check_limits(artifact.files)
        assert artifact.card["target"] == "price"


def own_graph(path: Path, operation: str = "Identity", name: str = "weight") -> Path:
    ends = [
        helper.make_tensor_value_info(end, TensorProto.FLOAT, [None, 1]) for end in (name, "price")
    ]
    node = helper.make_node(operation, [name], ["price"])
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def pack(table: Path, onnx: Path, *more: object, code: int = 0) -> str:
    words = ("models", "pack", "--schema", guessed(table), "--onnx", onnx, "--reference", table)
    return tool(*words, *more, "--out", table.parent / "own.tar", code=code)


def test_a_graph_of_ones_own_is_packed(table: Path) -> None:
    pack(table, own_graph(table.parent / "own.onnx"))

    artifact = unpack((table.parent / "own.tar").read_bytes())
    model = model_of(artifact)
    rows = labelled(SCHEMA, 10)
    answers = model.predict(features_of(SCHEMA, rows))
    assert answers == pytest.approx(rows.columns["weight"], rel=1e-6)
    assert artifact.card["metrics"]["rows"] == 2500


def test_predictions_of_the_file_are_taken_instead_of_the_graphs(table: Path) -> None:
    onnx = own_graph(table.parent / "own.onnx")

    pack(table, onnx, "--prediction-column", "price")

    assert unpack((table.parent / "own.tar").read_bytes()).card["metrics"]["rmse"] == 0


@pytest.mark.parametrize(
    ("operation", "name", "text"),
    [
        ("Reciprocal", "weight", "gives inf for"),
        ("Identity", "age", "is no finite number for"),
        ("Identity", "mass", "must be tensor(float) of shape (n, 9)"),
    ],
)
def test_a_graph_that_does_not_suit_the_schema_is_refused(
    table: Path, operation: str, name: str, text: str
) -> None:
    onnx = own_graph(table.parent / "own.onnx", operation, name)
    words = ("models", "pack", "--schema", guessed(table), "--onnx", onnx, "--reference", table)

    done = CliRunner().invoke(app, [*map(str, words), "--out", str(table.parent / "own.tar")])

    assert done.exit_code == 1
    assert text in done.stderr
    assert not (table.parent / "own.tar").exists()


def test_a_pipeline_that_was_converted_elsewhere_takes_all_features_in_one_tensor(
    tmp_path: Path,
) -> None:
    schema = tmp_path / "schema.toml"
    schema.write_text(
        'target = { name = "y" }\n'
        '[[columns]]\nname = "x"\nkind = "number"\n[[columns]]\nname = "z"\nkind = "number"\n'
        '[[columns]]\nname = "flag"\nkind = "boolean"\n'
    )
    rng = np.random.default_rng(1)
    x, z, flag = rng.random(300), rng.random(300), rng.integers(0, 2, 300)
    target = 3 * x - z + flag
    reference = tmp_path / "rows.csv"
    lines = [f"{a},{b},{bool(c)},{d}\n" for a, b, c, d in zip(x, z, flag, target, strict=True)]
    reference.write_text("x,z,flag,y\n" + "".join(lines))
    model = make_pipeline(StandardScaler(), Ridge(1e-6)).fit(np.stack([x, z, flag], 1), target)
    graph = convert_sklearn(model, initial_types=[("X", FloatTensorType([None, 3]))])
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())

    tool(
        "models", "pack", "--schema", schema, "--onnx", tmp_path / "model.onnx",
        "--reference", reference, "--out", tmp_path / "own.tar",
    )  # fmt: skip

    artifact = unpack((tmp_path / "own.tar").read_bytes())
    assert artifact.card["metrics"]["rmse"] < 1e-4
