# Roles and databases on an empty server. The platform's own role and databases are made by its migrations.
set -eu
password() { tr -d "'" < "/run/secrets/$1"; }
query() { psql -v ON_ERROR_STOP=1 -U postgres -d "${1:-postgres}" -q; }

query <<SQL
CREATE ROLE dcoder_provisioner SUPERUSER LOGIN PASSWORD '$(password provisioner_password)';
CREATE ROLE pgbouncer LOGIN PASSWORD '$(password pgbouncer_password)';
-- The pooler asks for the verifier of whoever comes; of superusers it gets none.
CREATE FUNCTION public.pooler_login(name text) RETURNS TABLE (usename name, passwd text)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
    AS 'SELECT rolname, rolpassword FROM pg_authid WHERE rolname = name AND rolcanlogin AND NOT rolsuper';
REVOKE ALL ON FUNCTION public.pooler_login(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.pooler_login(text) TO pgbouncer;
SQL

for entry in $OTHERS; do
    role=${entry%%:*}
    echo "CREATE ROLE $role LOGIN PASSWORD '$(password "postgres_${role}_password")';" | query
    for database in $(echo "${entry#*:}" | tr ',' ' '); do
        printf 'CREATE DATABASE %s OWNER %s;\nREVOKE CONNECT ON DATABASE %s FROM PUBLIC;\n' \
            "$database" "$role" "$database" | query
    done
done
