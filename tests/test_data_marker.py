"""What tests/conftest.py promises of the markers `data` and `slow`: pytest is run on small test files of our own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent / "conftest.py"
USES_DATA = """
import pytest

@pytest.mark.data
def test_reads(data_folder):
    assert data_folder.is_dir()
"""
SKIPS_BY_ITSELF = """
import pytest

@pytest.mark.data
def test_reads():
    pytest.skip("no such file")
"""
SKIPS_THE_FILE = """
import pytest

pytestmark = pytest.mark.data
pytest.importorskip("a_package_that_is_not_there")
"""
FORGETS_THE_MARKER = """
def test_reads(data_folder):
    pass
"""
RUNS_SECOND = """
from pathlib import Path

def test_is_second():
    assert Path(__file__).with_name("first").exists()
"""
IS_SLOW = """
from pathlib import Path
import pytest

def test_is_first():
    Path(__file__).with_name("first").touch()

@pytest.mark.slow
def test_waits():
    pass
"""


def run_pytest(folder: Path, text: str, **variables: str) -> tuple[int, str]:
    """Return the exit code and the output of pytest on one test file."""
    (folder / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    data: real data\n    slow: slow\n", encoding="utf-8")
    names = ("STEERSMAN_DATA", "STEERSMAN_REQUIRE_DATA")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-ra", str(folder)]
    # the plug-ins of the outer pytest are not under test and cost seconds
    variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(command, cwd=folder, env=clean | variables, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_data_test_runs_when_the_folder_is_there(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, USES_DATA, STEERSMAN_DATA=str(tmp_path), STEERSMAN_REQUIRE_DATA="1")
    assert (code, "1 passed" in output) == (0, True)


def test_a_data_test_skips_with_a_reason_when_no_folder_is_named(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, USES_DATA)
    assert (code, "$STEERSMAN_DATA is not set" in output) == (0, True)


def test_a_folder_that_is_not_there_stops_the_run(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, USES_DATA, STEERSMAN_DATA=str(tmp_path / "absent"))
    assert (code, "is not a folder" in output) == (pytest.ExitCode.USAGE_ERROR, True)


@pytest.mark.parametrize("text", [SKIPS_BY_ITSELF, SKIPS_THE_FILE], ids=["test", "file"])
def test_a_skip_is_a_failure_where_data_is_required(tmp_path: Path, text: str) -> None:
    code, output = run_pytest(tmp_path, text, STEERSMAN_DATA=str(tmp_path), STEERSMAN_REQUIRE_DATA="1")
    assert code in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    assert "STEERSMAN_REQUIRE_DATA=1, but" in output


def test_a_test_that_uses_the_data_must_carry_the_marker(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, FORGETS_THE_MARKER, STEERSMAN_DATA=str(tmp_path))
    assert (code, "need @pytest.mark.data: test_it.py::test_reads" in output) == (pytest.ExitCode.USAGE_ERROR, True)


def test_a_file_with_a_slow_test_comes_first_whole(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(RUNS_SECOND, encoding="utf-8")
    code, output = run_pytest(tmp_path, IS_SLOW)
    assert (code, "3 passed" in output) == (0, True)
