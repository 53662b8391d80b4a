# Users of the object store, each with the buckets it works with. Sound to repeat.
set -eu
export MC_HOST_store="http://dcoder:$(cat /run/secrets/minio_root_password)@minio:9000"
mc mb --ignore-existing store/langfuse

allow() { # user, file with its password, file with its policy
    mc admin policy create store "$1" "$3"
    mc admin user add store "$1" "$(cat "/run/secrets/$2")"
    # Attaching what is attached already is refused.
    mc admin policy attach store "$1" --user "$1" || mc admin user info store "$1" | grep -q "$1"
}

grant() { # user, file with its password, buckets …
    user=$1 secret=$2
    shift 2
    statements=""
    for bucket in "$@"; do
        statements="$statements\"arn:aws:s3:::$bucket\",\"arn:aws:s3:::$bucket/*\","
    done
    printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":[%s]}]}' \
        "${statements%,}" > "/tmp/$user.json"
    allow "$user" "$secret" "/tmp/$user.json"
}

# `stateful/objects/access.py` wrote it; sessions of tenants are a part of it.
allow "$(cat /run/secrets/dcoder_s3_access_key)" dcoder_s3_secret_key /scripts/functions.json
grant mlflow minio_mlflow_password mlflow-artifacts
grant langfuse minio_langfuse_password langfuse
