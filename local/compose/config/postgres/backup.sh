# backup.sh: one encrypted base backup into the archive; what is older than KEEP_DAYS goes, its log with it.
set -eu
archive=${ARCHIVE:-/archive}
key=${BACKUP_KEY:-/run/secrets/backup_key}
[ -n "${PGPASSWORD:-}" ] || PGPASSWORD=$(cat /run/secrets/postgres_password)
export PGPASSWORD
mkdir -p "$archive/base" "$archive/wal"
target=$archive/base/$(date -u +%Y%m%dT%H%M%SZ).tar.gz.enc

# A pipe ends with its last command: the backup's own end is noted apart.
failed=$(mktemp)
{ pg_basebackup --format=tar --gzip --wal-method=none --checkpoint=fast --pgdata=- || echo failed > "$failed"; } |
    openssl enc -aes-256-cbc -pbkdf2 -salt -pass "file:$key" -out "$target.part"
if [ -s "$failed" ]; then
    rm -f "$target.part" "$failed"
    echo "backup: pg_basebackup failed" >&2
    exit 1
fi
rm -f "$failed"
sync "$target.part"
mv "$target.part" "$target"
echo "backup: $target $(du -h "$target" | cut -f1)"

# The newest always stays, however old it is.
find "$archive/base" -name '*.enc' -mtime "+${KEEP_DAYS:-30}" ! -newer "$target" ! -path "$target" -delete
find "$archive/wal" -name '*.enc' -mtime "+$((${KEEP_DAYS:-30} + 1))" -delete
find "$archive" -name '*.part' -mmin +720 -delete
