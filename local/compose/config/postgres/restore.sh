# restore.sh FOLDER [TIME]: lays the newest backup before TIME (RFC 3339, UTC; by default now) into an empty folder. A
# server started on it replays the log up to TIME and then serves.
set -eu
folder=$1
until=${2:-}
archive=${ARCHIVE:-/archive}
key=${BACKUP_KEY:-/run/secrets/backup_key}
[ -z "$(ls -A "$folder" 2>/dev/null)" ] || { echo "restore: $folder is not empty" >&2; exit 1; }
stamp=$(date -u -d "${until:-now}" +%Y%m%dT%H%M%SZ)
base=""
for file in "$archive"/base/*.enc; do
    name=$(basename "$file" .tar.gz.enc)
    if [ -e "$file" ] && [ ! "$name" \> "$stamp" ]; then base=$file; fi
done
[ -n "$base" ] || { echo "restore: there is no backup before $stamp in $archive/base" >&2; exit 1; }
echo "restore: $base"
mkdir -p "$folder"
chmod 700 "$folder"
openssl enc -d -aes-256-cbc -pbkdf2 -pass "file:$key" -in "$base" | tar -xz -C "$folder"
{
    echo "restore_command = 'openssl enc -d -aes-256-cbc -pbkdf2 -pass file:$key -in $archive/wal/%f.enc -out %p'"
    echo "recovery_target_action = 'promote'"
    [ -z "$until" ] || echo "recovery_target_time = '$until'"
} >> "$folder/postgresql.auto.conf"
touch "$folder/recovery.signal"
