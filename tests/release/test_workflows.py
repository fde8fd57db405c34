"""The workflows call existing files, pin every action, and have no more rights than needed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.version import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

Job = dict[str, Any]


def _read(workflow: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(workflow.read_text())
    return loaded


def _jobs() -> list[tuple[str, Job]]:
    return [
        (f"{workflow.stem}.{name}", job)
        for workflow in WORKFLOWS
        for name, job in _read(workflow)["jobs"].items()
    ]


def _steps(job: Job) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = job.get("steps", [])
    return steps


@pytest.fixture(params=_jobs(), ids=lambda each: each[0])
def job(request: pytest.FixtureRequest) -> Job:
    found: Job = request.param[1]
    return found


def test_there_are_workflows() -> None:
    assert {workflow.stem for workflow in WORKFLOWS} == {"ci", "nightly", "release"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda each: each.stem)
def test_every_action_is_pinned_by_its_commit_and_says_its_version(workflow: Path) -> None:
    used = re.findall(r"^\s*(?:- )?uses: (.+)$", workflow.read_text(), re.MULTILINE)
    assert used
    loose = [
        action
        for action in used
        if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
        and not re.match(r"\./\.github/workflows/[a-z]+\.yaml\b", action)
    ]
    assert not loose


def test_one_version_of_an_action_is_used_everywhere() -> None:
    text = "".join(workflow.read_text() for workflow in WORKFLOWS)
    pins = set(re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", text))
    assert len(pins) == len({action for action, _ in pins})


def test_every_make_target_that_a_job_calls_exists(job: Job) -> None:
    called = {
        target
        for step in _steps(job)
        for target in re.findall(r"\bmake ([a-z][a-z-]*)", step.get("run", ""))
    }
    assert called <= TARGETS


def test_every_file_that_a_job_runs_exists(job: Job) -> None:
    called = {
        file
        for step in _steps(job)
        for file in re.findall(
            r"(?<![\w./$-])(?:docker|release|tests)/[\w./-]+\.sh", step.get("run", "")
        )
    }
    assert all((ROOT / file).is_file() for file in called)


def test_no_job_runs_for_hours(job: Job) -> None:
    assert job.get("timeout-minutes", 0) in range(1, 91) or "uses" in job


def test_no_checkout_leaves_its_token_behind(job: Job) -> None:
    for step in _steps(job):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


def test_no_expression_is_pasted_into_a_command(job: Job) -> None:
    """Anybody can choose the name of a branch, so it must come through a variable."""
    assert not [step["run"] for step in _steps(job) if "${{" in step.get("run", "")]


def test_only_what_publishes_may_write() -> None:
    release = _read(ROOT / ".github" / "workflows" / "release.yaml")
    assert release["permissions"] == {}
    writes = {
        name: {right for right, level in job.get("permissions", {}).items() if level == "write"}
        for name, job in release["jobs"].items()
    }
    assert {name: rights for name, rights in writes.items() if rights} == {
        "publish": {"packages", "id-token", "attestations"},
        "page": {"contents"},
    }
    assert _read(ROOT / ".github" / "workflows" / "ci.yaml")["permissions"] == {"contents": "read"}


def test_nothing_is_published_before_all_was_tested_and_scanned() -> None:
    jobs = _read(ROOT / ".github" / "workflows" / "release.yaml")["jobs"]
    assert jobs["publish"]["if"] == "github.ref_type == 'tag'"
    assert jobs["publish"]["environment"] == "release"
    assert set(jobs["publish"]["needs"]) == {"ci", "image", "charts"}
    assert jobs["page"]["needs"] == "publish"
    assert all(jobs[name]["needs"] == "check" for name in ("ci", "image", "charts"))
    scan = next(step for step in jobs["image"]["steps"] if "scan-action" in step.get("uses", ""))
    assert (scan["with"]["severity-cutoff"], scan["with"]["only-fixed"]) == ("high", True)


def test_both_platforms_of_all_images_are_built_and_one_for_intel_graphics() -> None:
    matrix = _read(ROOT / ".github" / "workflows" / "release.yaml")["jobs"]["image"]["strategy"][
        "matrix"
    ]
    assert matrix["name"] == ["edge", "cloud", "dashboard"]
    assert matrix["architecture"] == ["amd64", "arm64"]
    assert matrix["include"] == [{"name": "edge", "architecture": "amd64", "suffix": "-gpu"}]


def test_every_python_that_the_project_names_is_tried() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    tried = _read(ROOT / ".github" / "workflows" / "ci.yaml")["jobs"]["test"]["strategy"]["matrix"]
    assert tried == {"python": named}


def test_dependabot_looks_where_there_are_dependencies() -> None:
    told = _read(ROOT / ".github" / "dependabot.yml")
    assert told["version"] == 2
    looked = {(each["package-ecosystem"], each["directory"]) for each in told["updates"]}
    assert looked == {
        ("pip", "/"),
        ("docker", "/docker"),
        ("docker-compose", "/docker"),
        ("github-actions", "/"),
    }
    for each in told["updates"]:
        assert each["groups"]
        assert each["cooldown"]["default-days"] >= 3
        assert (ROOT / each["directory"].lstrip("/")).is_dir()


def test_forms_for_issues_are_read() -> None:
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yaml"))
    assert forms
    for form in forms:
        told = _read(form)
        assert {"name", "description", "body"} <= set(told)
        fields = [field for field in told["body"] if field["type"] != "markdown"]
        assert len({field["id"] for field in fields}) == len(fields)
        assert all(field["attributes"]["label"] for field in fields)
