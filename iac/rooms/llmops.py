"""LLMOps: MLflow for experiments, Langfuse for traces of calls, Agenta for prompts."""

from collections.abc import Iterator

from iac.manifests import Manifest, secret
from iac.rooms import agenta, langfuse
from iac.stack import LLMOPS, OBJECTS_URL, Platform, database_url
from iac.workloads import Container, Workload, http_probe

ROOM = "llmops"


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    yield from _mlflow(platform)
    yield from langfuse.objects(platform)
    yield from agenta.objects(platform)


def _mlflow(platform: Platform) -> Iterator[Manifest]:
    external = platform.configuration.objects.external
    key, code = (
        ("externalS3AccessKey", "externalS3SecretKey") if external else ("objectsMlflowKey", "objectsMlflowSecret")
    )
    texts = {
        "MLFLOW_BACKEND_STORE_URI": database_url("mlflow", "mlflowDatabase"),
        "AWS_ACCESS_KEY_ID": f"{{{{ {key} }}}}",
        "AWS_SECRET_ACCESS_KEY": f"{{{{ {code} }}}}",
    }
    yield secret("mlflow", LLMOPS, texts, room=ROOM)
    bucket = f"{external.bucket_prefix if external else ''}mlflow-artifacts"
    arguments = ("server", "--host", "0.0.0.0", "--port", "5000", "--artifacts-destination", f"s3://{bucket}")  # noqa: S104
    container = Container(
        name="mlflow",
        image=platform.image("mlflow"),
        command=("mlflow",),
        args=(*arguments, "--serve-artifacts"),
        resources=platform.configuration.mlflow.resources,
        ports={"http": 5000},
        env={
            "MLFLOW_S3_ENDPOINT_URL": external.endpoint if external else OBJECTS_URL,
            "MLFLOW_SERVER_ALLOWED_HOSTS": f"{platform.host('mlflow')},mlflow.{LLMOPS}.svc.cluster.local:5000",
            "HOME": "/tmp",  # noqa: S108
        },
        env_from=("mlflow",),
        live=http_probe("/health", 5000, seconds=15, failures=4),
        ready=http_probe("/health", 5000),
        startup=http_probe("/health", 5000, seconds=5, failures=60),
    )
    yield from Workload(
        name="mlflow",
        namespace=LLMOPS,
        room=ROOM,
        containers=(container,),
        replicas=platform.configuration.mlflow.replicas,
        service={"http": (5000, "http")},
    ).deployment()
