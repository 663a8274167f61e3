"""The small Python clients: of the annotation site, for annotators and managers, and of the reward server."""

from steersman.client.annotation import AnnotationClient, ClaimedTask, Held, Receipt, Scores, Status
from steersman.client.project import Imported, Progress, ProjectClient
from steersman.client.reward import Conversation, RewardClient

__all__ = [
    "AnnotationClient",
    "ClaimedTask",
    "Conversation",
    "Held",
    "Imported",
    "Progress",
    "ProjectClient",
    "Receipt",
    "RewardClient",
    "Scores",
    "Status",
]
