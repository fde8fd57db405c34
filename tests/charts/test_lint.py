import tomllib
from pathlib import Path

import pytest
import yaml
from helm_python import chart as helm

from charts import reference
from tests.charts.rendering import CLOUD, EDGE, ROOT, Scenario, loaded

WARNING = 2


def test_a_scenario_lints_without_a_warning_and_fits_its_schema(scenario: Scenario) -> None:
    loaded(scenario.chart).validate_schema(scenario.values)
    report = helm.lint(scenario.chart, scenario.values, strict=True)
    said = [each["error"] for each in report["messages"] if each["severity"] >= WARNING]
    assert said == []
    assert report["errors"] == []


def test_each_scenario_says_what_it_is_for(scenario: Scenario) -> None:
    assert scenario.file.read_text().startswith("# ")


@pytest.mark.parametrize("folder", [CLOUD, EDGE], ids=lambda folder: folder.name)
def test_a_chart_has_the_version_of_the_project(folder: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    about = yaml.safe_load((folder / "Chart.yaml").read_text())
    assert about["appVersion"] == project
    assert about["version"].split("-")[0].split(".")[:2] == project.split(".")[:2]


@pytest.mark.parametrize("folder", [CLOUD, EDGE], ids=lambda folder: folder.name)
def test_schema_and_readme_follow_from_the_values(folder: Path) -> None:
    for path, text in reference.written(folder):
        assert path.read_text() == text, (
            f"{path.relative_to(ROOT)} is out of date; run `python -m charts.reference`"
        )


@pytest.mark.parametrize("folder", [CLOUD, EDGE], ids=lambda folder: folder.name)
def test_every_value_is_explained(folder: Path) -> None:
    explained = {value.path for value in reference.values_of(folder)}

    def walk(values: object, path: tuple[str, ...] = ()) -> None:
        if path in explained:
            return
        assert isinstance(values, dict), f"{'.'.join(path)} has no comment beginning with --"
        for name, value in values.items():
            walk(value, (*path, name))

    walk(yaml.safe_load((folder / "values.yaml").read_text()))


@pytest.mark.parametrize("folder", [CLOUD, EDGE], ids=lambda folder: folder.name)
def test_a_chart_is_packaged_whole_and_without_its_scenarios(folder: Path, tmp_path: Path) -> None:
    with helm.Chart.load(helm.package(folder, destination=tmp_path)) as packed:
        assert packed.name == folder.name
        assert packed.schema is not None
        names = {file["name"] for file in packed.files}
    assert "README.md" in names
    assert not [name for name in names if name.startswith("ci/")]
