"""What remembers: sizes, replicas, retention."""

from typing import Literal

from pydantic import Field

from iac.configuration.base import Strict, Url


class Nats(Strict):
    """NATS JetStream."""

    replicas: Literal[1, 3, 5] = Field(3, description="Servers; streams have as many replicas, three at most.")


class External(Strict):
    """An object store that is somebody else's to run."""

    endpoint: Url = Field(description="Its S3 endpoint.")
    region: str = Field("us-east-1", description="Its region.")
    bucket_prefix: str = Field("", description="Put before the name of every bucket, where names are global.")


class Objects(Strict):
    """The object store: the one in the cluster, or an external one."""

    external: External | None = Field(None, description="Use this store; none takes the one in the cluster.")
