# Users of the object store, each with the buckets it works with. Sound to repeat.
set -eu
export MC_HOST_store="http://dcoder:$(cat /run/secrets/minio_root_password)@minio:9000"
mc mb --ignore-existing store/langfuse

grant() { # user, file with its password, buckets …
    user=$1 secret=$2
    shift 2
    statements=""
    for bucket in "$@"; do
        statements="$statements\"arn:aws:s3:::$bucket\",\"arn:aws:s3:::$bucket/*\","
    done
    printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":[%s]}]}' \
        "${statements%,}" > "/tmp/$user.json"
    mc admin policy create store "$user" "/tmp/$user.json"
    mc admin user add store "$user" "$(cat "/run/secrets/$secret")"
    # Attaching what is attached already is refused.
    mc admin policy attach store "$user" --user "$user" || mc admin user info store "$user" | grep -q "$user"
}

grant "$(cat /run/secrets/dcoder_s3_access_key)" dcoder_s3_secret_key documents audit executions
grant mlflow minio_mlflow_password mlflow-artifacts
grant langfuse minio_langfuse_password langfuse
