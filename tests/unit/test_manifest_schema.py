"""The JSON Schema of manifests: current, valid, and of one mind with the strict reader."""

import json
from importlib.resources import files

import pytest
import yaml
from jsonschema import Draft202012Validator

from meshgait_data.errors import ManifestError
from meshgait_data.manifest import dump_yaml, load_manifest, manifest_of
from meshgait_data.manifest_schema import SCHEMA_FILE, manifest_schema, schema_text

SHIPPED = files("meshgait_data.manifests")
VALIDATOR = Draft202012Validator(json.loads((SHIPPED / SCHEMA_FILE).read_text(encoding="utf-8")))
DATASETS = sorted(path.name for path in (SHIPPED / "datasets").iterdir() if path.name.endswith(".yaml"))


def test_the_shipped_file_is_current():
    told = "run: mgdata manifest schema --out manifests/manifest.schema.json"
    assert (SHIPPED / SCHEMA_FILE).read_text(encoding="utf-8") == schema_text(), told
    Draft202012Validator.check_schema(manifest_schema())


@pytest.mark.parametrize("name", DATASETS)
def test_shipped_manifests_are_valid(name):
    text = (SHIPPED / "datasets" / name).read_text(encoding="utf-8")
    assert not list(VALIDATOR.iter_errors(yaml.safe_load(text)))
    assert not list(VALIDATOR.iter_errors(yaml.safe_load(dump_yaml(load_manifest(name.removesuffix(".yaml"))))))


WRONG = [
    ("name", 7),
    ("nmae", "x"),
    ("cameras", 3),
    ("aligned_size", "64"),
    ("aligned_size", 6.5),
    ("source.fps", "25"),
    ("source.format", "asf"),
    ("source.skeletn", "x"),
    ("split.train", "01"),
    ("split.train", [1]),
    ("layout.captures", "some"),
    ("layout.captures", {"a": "b"}),
    ("layout.keys", {"veiw": "x"}),
    ("protocol.probe", "all"),
    ("protocol.probe", {"condition": ["a"]}),
    ("expected.frames", [1, 2, 3]),
    ("licence.may_share_labels", "yes"),
    ("fit.given_body", None),
]


@pytest.mark.parametrize(("place", "value"), WRONG)
def test_what_the_reader_refuses_the_schema_refuses(place, value):
    plain = yaml.safe_load(dump_yaml(load_manifest("cmu_walk")))
    inner = plain
    *parents, key = place.split(".")
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    assert list(VALIDATOR.iter_errors(plain))
    with pytest.raises(ManifestError):
        manifest_of(plain, "f")


def test_fields_are_described():
    schema = manifest_schema()
    assert schema["properties"]["expected"]["$ref"] == "#/$defs/Expected"
    fields = [field for one in schema["$defs"].values() for field in one["properties"].values()]
    assert sum("description" in field for field in fields) > 0.75 * len(fields)
    assert all("description" in one for one in schema["$defs"].values())
