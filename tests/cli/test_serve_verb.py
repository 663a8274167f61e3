import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from reward_models import saved_reward_model
from tiny_reward import write_tiny_reward_model

from steersman.cli.main import main
from steersman.errors import EXIT_USER_INPUT
from steersman.reward.spec import RewardSpec


def test_a_reward_model_is_served_from_its_folder_until_it_is_interrupted(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "reward"
    write_tiny_reward_model(folder, tiny_model=tiny_model_folder)
    command = [sys.executable, "-m", "steersman.cli.main", "serve", "reward", str(folder), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        said = next(line for line in server.stderr if "reward model is at" in line)
        url = said.split(" at ")[1].split("/v1/score")[0]
        answer = httpx.post(f"{url}/v1/score", json={"rows": [{"prompt": "Hi", "response": "Hello"}]}, timeout=60)
        model = httpx.get(f"{url}/v1/models").json()["data"][0]["id"]
        server.send_signal(signal.SIGINT)
        server.stderr.read()
    assert url.startswith("http://127.0.0.1:")
    assert set(answer.json()["scores"][0]) == {"helpfulness", "correctness", "reward"}
    assert model == str(folder)
    assert server.returncode == 0


def test_a_model_whose_output_is_called_like_what_the_server_adds_is_refused(
    tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = RewardSpec("linear", ("preferred",), {"preferred": 1.0}, form="comparison")
    saved_reward_model(tiny_model_folder, tmp_path / "model", spec=spec)
    assert main(["serve", "reward", str(tmp_path / "model"), "--port", "0"]) == EXIT_USER_INPUT
    assert "its output 'preferred' is called like" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--max-queue-rows", "0"], ["--max-batch-rows", "0"], ["--batch-wait-ms", "-1"], ["--port", "70000"]]
)
def test_a_limit_that_makes_no_sense_is_refused_before_the_model_is_loaded(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "reward", "no-such-model", *options]) == EXIT_USER_INPUT
    said = capsys.readouterr().err
    assert options[0] in said or "port 70000 does not exist" in said
