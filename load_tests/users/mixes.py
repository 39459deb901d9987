"""Which users load the cluster together, by name."""

from locust import User

from load_tests.users.captions import CaptionUser
from load_tests.users.chat import ChatUser, StreamUser
from load_tests.users.dashboards import DashboardUser, OperatorUser
from load_tests.users.noisy_neighbor import NoisyUser, QuietUser
from load_tests.users.repeating import RepeatingUser
from load_tests.users.text import CompletionUser, EmbeddingUser, PostUser
from load_tests.users.videos import VideoUser

_CORE = (ChatUser, StreamUser, CaptionUser)
_TEXT = (*_CORE, RepeatingUser, CompletionUser, EmbeddingUser, PostUser)
_READS = (DashboardUser, OperatorUser)

MIXES: dict[str, tuple[type[User], ...]] = {
    "core": _CORE,
    "text": _TEXT,
    "reads": _READS,
    "video": (VideoUser,),
    "all": (*_TEXT, *_READS, VideoUser),
    "neighbours": (QuietUser, NoisyUser),
}
