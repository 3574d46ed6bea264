"""The settings of production, for `make bench`: nobody is counted, and on request nobody
is asked who they are, to have something to compare with.
"""

import os

for _name in ("RATE_LIMIT", "RATE_LIMIT_POLL", "RATE_LIMIT_AUTH"):
    os.environ[_name] = "100000000/60 second"

from vmmanager.settings import *  # noqa: E402, F403  # the same settings, all of them
from vmmanager.settings import REST_FRAMEWORK  # noqa: E402

if os.environ.get("BENCH_OPEN"):
    REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["tests.bench_open.Everybody"]
