#include "session.h"

#include <stdio.h>

#include "clock.h"

#define READER_ROLE "filmyfly_reader"

/*
 * `SET` without LOCAL, outside of BEGIN: transaction_isolation is a property of the current transaction whatever word
 * sets it, and the implicit transaction up to Sync is one. (SET TRANSACTION and SET LOCAL would do the same with a
 * warning each.) So a batch needs no BEGIN and COMMIT, and an error cannot leave an aborted transaction open for the
 * batch behind it.
 */
const char session_isolation_sql[] = "SET transaction_isolation = 'repeatable read'";

/*
 * Names are looked up in pg_catalog only: no object of another schema can take the place of one that a statement means.
 * JIT compilation costs more than any page's statement. The role is taken only where it exists and may be taken, and
 * never for writing.
 */
static int write_settings(char *sql, size_t size, enum lane lane, uint64_t timeout, int server_version,
                          const char *local)
{
    int n = snprintf(sql, size,
                     "SELECT set_config('search_path', 'pg_catalog', %s), set_config('DateStyle', 'ISO, YMD', %s), "
                     "set_config('TimeZone', 'UTC', %s), set_config('jit', 'off', %s), "
                     "set_config('statement_timeout', '%llu', %s)",
                     local, local, local, local, (unsigned long long)(timeout / MILLISECOND), local);
    if (lane != LANE_WRITE)
        n += snprintf(sql + n, size - (size_t)n,
                      ", (SELECT set_config('role', rolname, %s) FROM pg_roles WHERE rolname = '" READER_ROLE
                      "' AND pg_has_role(session_user, oid, '%s'))",
                      local, server_version >= 160000 ? "SET" : "MEMBER");
    return n;
}

void session_sql(char sql[SESSION_SQL_BYTES], enum lane lane, uint64_t timeout, int server_version)
{
    int n = write_settings(sql, SESSION_SQL_BYTES, lane, timeout, server_version, "false");
    snprintf(sql + n, SESSION_SQL_BYTES - (size_t)n,
             ", set_config('default_transaction_isolation', 'repeatable read', false)"
             ", set_config('default_transaction_read_only', '%s', false)"
             " FROM (SELECT 1) AS one WHERE $1::int IS NULL OR pg_backend_pid() = $1::int",
             lane == LANE_WRITE ? "off" : "on");
}

void session_batch_sql(char sql[SESSION_SQL_BYTES], enum lane lane, uint64_t timeout, int server_version)
{
    int n = write_settings(sql, SESSION_SQL_BYTES, lane, timeout, server_version, "true");
    if (lane != LANE_WRITE)
        snprintf(sql + n, SESSION_SQL_BYTES - (size_t)n, ", set_config('transaction_read_only', 'on', true)");
}
