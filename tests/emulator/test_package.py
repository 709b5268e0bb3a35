"""The package of the functions: what Lambda would unpack starts there, and holds nothing that is not of use."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cfnlint.decode import decode_str

from deploy.on_aws import package
from deploy.options import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]  # the first run makes two venvs
API = decode_str((ROOT / "deploy/stacks/api.yaml").read_text())[0]
HANDLERS = [
    each["Properties"]["Handler"] for each in API["Resources"].values() if each["Type"] == "AWS::Serverless::Function"
]


@pytest.fixture(scope="module")
def for_lambda(tmp_path_factory: pytest.TempPathFactory) -> package.Package:
    return package.build(tmp_path_factory.mktemp("package") / "lambda.zip")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory, here: package.Package) -> Path:
    """As Lambda would see it if its Python were the one here."""
    folder = tmp_path_factory.mktemp("here")
    with zipfile.ZipFile(here.path) as archive:
        archive.extractall(folder)
    return folder


def test_it_is_for_the_runtime_that_the_stack_names(for_lambda: package.Package) -> None:
    globally = API["Globals"]["Function"]
    assert globally["Runtime"] == f"python{package.PYTHON}"
    assert globally["Architectures"] == [package.ARCHITECTURE]
    with zipfile.ZipFile(for_lambda.path) as archive:
        modules = [name for name in archive.namelist() if re.search(r"\.cpython-\d+", name)]
    assert modules
    assert all(f".cpython-{package.PYTHON.replace('.', '')}-x86_64" in name for name in modules)


def test_it_has_no_tests_no_shell_and_no_byte_code(for_lambda: package.Package) -> None:
    with zipfile.ZipFile(for_lambda.path) as archive:
        names = archive.namelist()
        assert {entry.date_time for entry in archive.infolist()} == {package.EPOCH}
        assert all(entry.external_attr >> 16 & 0o444 == 0o444 for entry in archive.infolist())
    assert names == sorted(names)
    folders = {part for name in names for part in name.split("/")[:-1]}
    assert not folders & {"tests", "__pycache__", "rich", "typer", "pip"}
    assert not [name for name in names if name.endswith((".pyc", ".key", ".pem.key"))]
    assert {"billing/portal/pages/static/portal.css", "coa/dictionary"} <= set(names), "what is read beside the code"
    assert for_lambda.bytes_unzipped < package.UNZIPPED_BYTES_MAX


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_clean_interpreter_finds_the_handler(unpacked: Path, handler: str) -> None:
    module, _, name = handler.rpartition(".")
    script = f"import sys; sys.path.insert(0, {str(unpacked)!r}); import {module} as m; assert callable(m.{name}); "
    script += "print('\\n'.join(each.__file__ for each in list(sys.modules.values()) if getattr(each, '__file__', '')))"
    clean = [sys.executable, "-I", "-S", "-B", "-c", script]
    done = subprocess.run(clean, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert not [path for path in done.stdout.splitlines() if "site-packages" in path], "all it needs is in the package"


def test_nothing_of_the_building_is_in_the_bytes(tmp_path: Path) -> None:
    """The order in which a disk lists files, and their times, are not the package's."""
    digests = set()
    for names in (["a.py", "b/c.py", "b/d.txt"], ["b/d.txt", "b/c.py", "a.py"]):
        folder = tmp_path / names[0].replace("/", "-")
        for age, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
            (folder / name).chmod(0o600 if age else 0o755)
        target = tmp_path / f"{folder.name}.zip"
        package._zip(folder, sorted(package._kept(folder)), target)
        digests.add(package.digest(target))
    assert len(digests) == 1
