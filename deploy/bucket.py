"""``python bucket.py NAME``: make a bucket in the object store, unless it is there."""

import os
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

ATTEMPTS, PAUSE = 30, 2


def make(name: str) -> None:
    """Make it, and wait for a store that is still starting."""
    client = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if name not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket=name)
            return
        except (BotoCoreError, ClientError) as error:
            if attempt == ATTEMPTS:
                sys.exit(f"bucket {name}: {error}")
            time.sleep(PAUSE)


if __name__ == "__main__":
    make(sys.argv[1])
