"""Made-up credentials in the formats that issuers publish, to measure what the guardrails know of them."""

import base64
import random
import re
import string
from collections.abc import Mapping

# `<a36>` is 36 random letters and digits; the other letters name these alphabets.
_ALPHABETS = {
    "a": string.ascii_letters + string.digits,
    "z": string.ascii_letters,
    "w": string.ascii_letters + string.digits + "_-",
    "b": string.ascii_letters + string.digits + "+/",
    "u": string.ascii_uppercase + string.digits,
    "l": string.ascii_lowercase + string.digits,
    "c": string.ascii_uppercase + "234567",
    "h": "0123456789abcdef",
    "d": "123456789",
}
_DRAWN = re.compile(r"<([a-z])(\d+)>")
_UUID = "<h8>-<h4>-4<h3>-a<h3>-<h12>"
_FORMATS = {
    "aws": "export AWS_ACCESS_KEY_ID=AKIA<c16>",
    "aws secret": "aws_secret_access_key = <a40>",
    "aws secret in json": '{"SecretAccessKey": "<a40>"}',
    "aws secret beside its id": "AKIA<c16> / <a40>",
    "aws bedrock": "AWS_BEARER_TOKEN_BEDROCK=ABSKQmVkcm9ja0FQSUtleS<b110>=",
    "aws bedrock, short": "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t<a200>",
    "azure": "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=<a86>==;",
    "azure sas": "https://x.blob.example/c?sv=2022-11-02&sp=r&sig=<a43>%3D",
    "azure devops": "git pull with <a76>AZDO<a4>",
    "azure ai": "<a52>JQQJ99<u6>ACOG<a8>",
    "google": "https://maps.example/js?key=AIza<a35>",
    "google, bound": "x-goog-api-key: AQ.Ab8RN6<w44>",
    "google oauth": "GOCSPX-<w28>",
    "google refresh": "refresh_token 1//0<w60>9a",
    "github": "git clone with gh token github_pat_<a22>_<a59>",
    "github app": "ghs_<d8>_eyJ<a80>",
    "gitlab": "PRIVATE-TOKEN: glpat-<a20>",
    "gitlab, routable": "glpat-<w27>.01.<l9>",
    "gitlab runner": "glrt-t1_<w27>.01.<l9>",
    "gitlab deploy": "gldt-<a20>",
    "gitlab oauth": "gloas-<h64>",
    "bitbucket": "ATBB<a24><u8>",
    "atlassian": "ATATT3xFfGF0<w180>=<u8>",
    "openai": "OPENAI_API_KEY=sk-proj-<a40>T3BlbkFJ<a40>",
    "openai project": "sk-proj-<w74>T3BlbkFJ<w74>",
    "openai service account": "sk-svcacct-<w74>T3BlbkFJ<w74>",
    "openai admin": "sk-admin-<w58>T3BlbkFJ<w58>",
    "anthropic": "x-api-key: sk-ant-api03-<a93>",
    "anthropic admin": "sk-ant-admin01-<w93>AA",
    "anthropic oauth": "sk-ant-oat01-<w93>AA",
    "groq": "use gsk_<a52> please",
    "xai": "xai-<a80>",
    "openrouter": "sk-or-v1-<h64>",
    "perplexity": "pplx-<a48>",
    "cerebras": "csk-<l48>",
    "nvidia": "nvapi-<w64>",
    "together": "tgp_v1_<w43>",
    "replicate": "r8_<a37>",
    "huggingface": "login(token='hf_<z34>')",
    "langsmith": "lsv2_pt_<h32>_<h10>",
    "langfuse": f"sk-lf-{_UUID}",
    "pinecone": "pcsk_<a5>_<a63>",
    "tavily": "tvly-dev-<a32>",
    "elevenlabs": "sk_<h48>",
    "mistral": "MISTRAL_API_KEY=<a32>",
    "slack": "xoxb-<d11>-<d12>-<a24>",
    "slack app": "xapp-1-A<u10>-<d13>-<h64>",
    "slack cookie": "xoxd-<a60>%2B<a40>%3D",
    "slack webhook": "post to https://hooks.slack.com/services/T<a8>/B<a8>/<a24>",
    "discord": "MT<a22>.G<a5>.<a38>",
    "telegram": "bot <d10>:AA<a33>",
    "stripe": "stripe.api_key = 'sk_live_<a24>'",
    "stripe, restricted": "rk_live_<a99>",
    "stripe, organisation": "sk_org_live_<a60>",
    "sendgrid": "SG.<a22>.<a43>",
    "mailgun": "<h32>-<h8>-<h8>",
    "brevo": "xkeysib-<h64>-<a16>",
    "resend": "re_<a8>_<a24>",
    "npm": "//registry.example/:_authToken=npm_<a36>",
    "npm, old": f"//registry.example/:_authToken={_UUID}",
    "pypi": "pypi-AgEIcHlwaS5vcmc<w150>",
    "docker": "dckr_pat_<w27>",
    "digitalocean": "dop_v1_<h64>",
    "databricks": "DATABRICKS_TOKEN=dapi<h32>",
    "cloudflare": "cfut_<a48>",
    "supabase": "sb_secret_<w22>_<a8>",
    "vercel": "vcp_<a56>",
    "netlify": "nfp_<a36>",
    "planetscale": "pscale_tkn_<w43>",
    "neon": "napi_<l64>",
    "tailscale": "tskey-auth-<a12>CNTRL-<a32>",
    "terraform cloud": "<a14>.atlasv1.<w67>",
    "vault": "hvs.<w95>",
    "1password": "OP_SERVICE_ACCOUNT_TOKEN=ops_eyJ<a300>",
    "grafana": "glsa_<a32>_<h8>",
    "sentry": "sntryu_<h64>",
    "posthog": "phx_<a43>",
    "linear": "lin_api_<a40>",
    "notion": "ntn_<a46>",
    "shopify": "shpat_<h32>",
    "platform": "Authorization: Bearer dck_<a40>",
    "jwt": "cookie session={header}.{claims}.<a43>",
    "private key": "-----BEGIN PRIVATE KEY-----\n<b64>\n<b64>\n-----END PRIVATE KEY-----",
    "ssh key": "-----BEGIN OPENSSH PRIVATE KEY-----\n<b64>\n<b64>\n-----END OPENSSH PRIVATE KEY-----",
    "url": "postgresql://app:<a16>@db.internal:5432/orders",
    "url without user": "redis://:<a16>@cache:6379/0",
    "bearer": "curl -H 'Authorization: Bearer <a32>'",
    "curl": "curl -u admin:<a12>! https://intranet.example",
    "assignment": 'client_secret: "<a32>"',
    "password": "The password is <a9>!7, do not tell anyone",
    "passwort": "Passwort: <a6>#<a4>9",
    "mot de passe": "le mot de passe est <a6>#<a4>9",
}


def credentials(dice: random.Random) -> Mapping[str, str]:
    """One text per format, with random credentials in it."""
    made = {name: _drawn(_with_token(text), dice) for name, text in _FORMATS.items()}
    made["basic"] = f"Authorization: Basic {_base64(_drawn('admin:<a12>', dice))}"
    made["encoded"] = _base64(_drawn("the api_key=<a32> of the shop", dice))
    made["with invisible characters"] = "\u200b".join(_drawn("gsk_<a52>", dice))
    return made


def _drawn(text: str, dice: random.Random) -> str:
    return _DRAWN.sub(lambda match: "".join(dice.choices(_ALPHABETS[match[1]], k=int(match[2]))), text)


def _with_token(text: str) -> str:
    """The text with the first two parts of a JSON web token."""
    for name, said in (("header", '{"alg":"HS256","typ":"JWT"}'), ("claims", '{"sub":"4711","name":"anna"}')):
        text = text.replace("{" + name + "}", _base64(said).rstrip("="))
    return text


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()
