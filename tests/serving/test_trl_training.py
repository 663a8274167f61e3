"""One step of TRL's own trainer with the server as its reward."""

from pathlib import Path

import pytest
from served import LengthScorer, running

from steersman.client import RewardClient


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_grpo_learns_from_the_rewards_of_the_server(tiny_model_folder: Path, tmp_path: Path) -> None:
    trl, datasets = pytest.importorskip("trl"), pytest.importorskip("datasets")
    settings = trl.GRPOConfig(
        output_dir=str(tmp_path),
        max_steps=1,
        logging_steps=1,
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=8,
        report_to="none",
        use_cpu=True,
        bf16=False,
    )
    rows = [{"prompt": [{"role": "user", "content": "Hi"}]}] * 4
    scorer = LengthScorer()
    with running(scorer) as server, RewardClient(server.url) as client:
        trainer = trl.GRPOTrainer(
            model=str(tiny_model_folder),
            reward_funcs=client.trl_rewards,
            args=settings,
            train_dataset=datasets.Dataset.from_list(rows),
        )
        trainer.train()
    [logged] = [log["reward"] for log in trainer.state.log_history if "reward" in log]
    [call] = scorer.calls
    assert float(logged) == pytest.approx(sum(2 * len(response) + len("Hi") for _, response in call) / 4, abs=1e-3)
