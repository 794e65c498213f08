"""What keeps the libraries from reporting to their makers, and from asking them for news."""

import os

# Each is read when its library is imported or started
OFF = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "False",
    "DVC_NO_ANALYTICS": "true",
    # From 1.31 on it keeps a device id and a database in the user's cache and sends what is in it
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def switch_off() -> None:
    """Set what the environment does not name; before the libraries are imported."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
