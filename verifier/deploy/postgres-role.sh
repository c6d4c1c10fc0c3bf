#!/bin/sh
# Makes the verifier's role: it may use the tables and own none of them, so that the wall between tenants binds it.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set password="$(cat /run/secrets/verifier_password)" <<'SQL'
CREATE ROLE akashi LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD :'password';
SQL
