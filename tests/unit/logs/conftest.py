"""Every test here begins without a log of this process."""

from tests.process_log import no_log_of_the_process

__all__ = ["no_log_of_the_process"]
