"""Where the platform runs, what it is called from outside, and where its secrets are."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from iac.configuration.base import Bytes, Cpu, Domain, Network, Strict, Url

Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", examples=["platform@example.com"])]
# Key files are made by `functions.kit.secrets.create_key_file`; the rest is what other parties issue.
GIVEN_SECRETS = {
    "keyEncryptionKeys": "The file of key-encryption keys (`DCODER_KEK_FILE`), as JSON.",
    "serviceKeys": "The file of keys that sign functions' own tokens (`DCODER_SERVICE_KEYS_FILE`), as JSON.",
    "auditKeys": "The file of keys that sign audit checkpoints (`DCODER_AUDIT_KEYS_FILE`), as JSON.",
}
OPTIONAL_SECRETS = {
    "oidcClientSecret": "The platform's client secret, as `python -m stateful.logto.sync --show-secrets` prints it.",
    "logtoWebhookKey": "Signing key of Logto's webhook, as the same command prints it.",
    "logtoAppId": "Machine-to-machine application of Logto with which the sync works.",
    "logtoAppSecret": "Its secret.",
    "flagsmithEnvironmentKey": "Server-side key (`ser.…`) of the environment in Flagsmith.",
    "flagsmithAdminKey": "Organisation API key of Flagsmith.",
    "flagsSdkKey": "Server key with which Flagsmith's SDKs may read all flags from the platform.",
    "externalS3AccessKey": "Access key of an external object store.",
    "externalS3SecretKey": "Its secret key.",
    "docChatClientSecret": "Doc chat's client secret in Logto.",
    "codeChatClientSecret": "Code chat's client secret in Logto.",
    "docChatApiKey": "API key of the tenant whose documents doc chat answers from.",
    "codeChatApiKey": "API key of the tenant whose agents code chat asks.",
    "adminClientSecret": "The admin dashboard's client secret in Logto.",
    "deloitteClientSecret": "The Deloitte dashboard's client secret in Logto.",
    "kongLicence": "Kong's licence, for the enterprise edition.",
    "alertWebhookUrl": "Where Alertmanager sends alerts to; none keeps them in Alertmanager.",
}


class Issuer(Strict):
    """Who signs the edge's certificate."""

    kind: Literal["self-signed", "acme"] = Field(
        "self-signed", description="`acme` for a public authority, `self-signed` where nobody outside connects."
    )
    server: Url = Field(
        "https://acme-v02.api.letsencrypt.org/directory", description="Directory of the ACME authority."
    )
    email: Email | None = Field(None, description="Whom the authority writes to; needed for `acme`.")

    solver: dict[str, Any] = Field(
        {}, description="How the authority is shown that the domain is ours, as cert-manager has it: `{dns01: {…}}`."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "acme" and (self.email is None or not self.solver):
            raise ValueError("`acme` needs `email` and `solver`")
        return self


class Budget(Strict):
    """What one namespace may ask for altogether, and what a container gets that says nothing."""

    cpu: Cpu = Field("64", description="Processors that all pods of the namespace together may be promised.")
    memory: Bytes = Field("128Gi", description="Memory that all pods of the namespace together may be promised.")
    pods: int = Field(500, ge=1, description="Pods of the namespace.")


class Cluster(Strict):
    """The Kubernetes cluster and how much of it is ours to manage."""

    kube_context: str | None = Field(None, description="Context of the kubeconfig; none takes the current one.")
    domain: Domain = Field(description="Domain below which the platform is reached: `api.<domain>`, `auth.<domain>` …")
    charts: bool = Field(
        True,
        description="Install the operators and servers that come as Helm charts; `false` where they are there already.",
    )
    waits: bool = Field(
        True, description="Wait until what is deployed is ready; `false` for an API server without controllers."
    )
    pull_by_tag: bool = Field(
        False, description="Take images without a digest by their tag; refused outside of the environment `dev`."
    )
    storage_class: str | None = Field(
        None, description="Storage class of all volumes, encrypted at rest; none takes the cluster's default."
    )
    issuer: Issuer = Field(Issuer(), description="Who signs the edge's certificate.")
    budget: Budget = Field(Budget(), description="Quota of each namespace.")
    private_networks: tuple[Network, ...] = Field(
        ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
        description="Networks that what calls providers may not reach, and in which Prometheus may ask nodes.",
    )
    api_server: tuple[Network, ...] = Field(
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"), description="Where the Kubernetes API server is."
    )


class Secrets(Strict):
    """Where secrets come from. Passwords between the parts are derived from `root`, one for each name."""

    source: Literal["pulumi", "external"] = Field(
        "pulumi",
        description="`pulumi`: encrypted in the stack file; `external`: fetched from a store by External Secrets.",
    )
    root: SecretStr | None = Field(
        None, min_length=32, description="At least 32 random characters that passwords are derived from."
    )
    generation: dict[str, int] = Field({}, description="Raised by one to rotate a derived password: `{redis: 2}`.")
    values: dict[str, SecretStr] = Field({}, description="Secrets that others issue; see below.")
    store: str = Field("dcoder", description="ClusterSecretStore that External Secrets fetches from.")
    prefix: str = Field("dcoder", description="What the names of secrets in that store begin with.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        known = GIVEN_SECRETS | OPTIONAL_SECRETS
        if strange := sorted(set(self.values) - set(known)):
            raise ValueError(f"`values` has {', '.join(strange)}; known are {', '.join(sorted(known))}")
        if self.source == "pulumi":
            if self.root is None:
                raise ValueError("`root` is missing")
            if missing := sorted(set(GIVEN_SECRETS) - set(self.values)):
                raise ValueError(f"`values` lacks {', '.join(missing)}")
        return self

    def has(self, name: str) -> bool:
        """Whether an optional secret is there to be used; a store is asked for all of them."""
        return self.source == "external" or name in self.values
