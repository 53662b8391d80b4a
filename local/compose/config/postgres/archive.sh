# archive.sh FILE NAME: Postgres' archive_command. Keeps a file of the log encrypted, whole or not at all.
set -eu
folder=${ARCHIVE:-/archive}/wal
target=$folder/$2.enc
mkdir -p "$folder"
# A name that is there already was kept before the server could note it: the same content is fine, another is not.
if [ -e "$target" ]; then
    openssl enc -d -aes-256-cbc -pbkdf2 -pass "file:${BACKUP_KEY:-/run/secrets/backup_key}" -in "$target" | cmp -s - "$1"
    exit
fi
openssl enc -aes-256-cbc -pbkdf2 -salt -pass "file:${BACKUP_KEY:-/run/secrets/backup_key}" -in "$1" -out "$target.part"
sync "$target.part"
mv "$target.part" "$target"
