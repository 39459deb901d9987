"""From where on a figure is wrong, for alerts and for the colors of panels."""

QUEUE_WAIT_S = 5.0
STORE_S = 1.0
FAILED_SHARE = 0.05
LOOP_LAG_S = 0.5
OLDEST_JOB_S = 1800.0
LEAK_BYTES_PER_HOUR = 100 << 20
LEAK_WINDOW = "1h"
ENDED_REPLICAS = 3
ENDED_WINDOW = "15m"
STALE_DIRECTORY_S = 60.0
FILES_OPEN = 50_000
