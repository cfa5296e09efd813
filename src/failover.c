/*-------------------------------------------------------------------------
 *
 * failover.c
 *		Entry point of the library: configuration parameters, shared memory and
 *		the background worker of the role that this server plays.
 *
 * The same library serves two kinds of server.  With failover.role =
 * coordinator (the default) it registers the launcher, which keeps one
 * coordinator worker running in failover.database.  With failover.role = node
 * it installs what a data server needs.  Loaded without
 * shared_preload_libraries it defines its parameters and functions, and the
 * functions say what is missing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "compat.h"
#include "coordinator/launcher.h"
#include "guc.h"
#include "node/node.h"
#include "shared/shared.h"

FO_MODULE_MAGIC("failover", "1.0");

int			fo_guc_role = FO_ROLE_COORDINATOR;
char	   *fo_guc_database = NULL;
int			fo_guc_max_peers = 256;
char	   *fo_guc_passfile = NULL;
int			fo_guc_restart_method = FO_RESTART_AUTO;
bool		fo_guc_allow_clone = false;
int			fo_guc_hold_connections = 1000;

static const struct config_enum_entry role_words[] = {
	{"coordinator", FO_ROLE_COORDINATOR, false},
	{"node", FO_ROLE_NODE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry restart_words[] = {
	{"auto", FO_RESTART_AUTO, false},
	{"exec", FO_RESTART_EXEC, false},
	{"exit", FO_RESTART_EXIT, false},
	{NULL, 0, false}
};

void		_PG_init(void);

static void
define_parameters(void)
{
	/* A session that loads the library itself comes too late for what is fixed at server start; there it just has a value. */
	GucContext	at_start = process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP;

	DefineCustomEnumVariable("failover.role",
							 "Selects whether this server coordinates others or is a data server.",
							 NULL, &fo_guc_role, FO_ROLE_COORDINATOR, role_words,
							 at_start, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("failover.database",
							   "Sets the database in which the coordinator keeps its tables.",
							   NULL, &fo_guc_database, "postgres",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("failover.max_peers",
							"Sets the maximum number of registered peers.",
							"Shared memory is sized by it.",
							&fo_guc_max_peers, 256, 1, 100000,
							at_start, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("failover.passfile",
							   "Sets the libpq password file that the coordinator uses to connect to peers, and a data server to its primary.",
							   "Empty means libpq's default for the server's operating system user.",
							   &fo_guc_passfile, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomEnumVariable("failover.restart_method",
							 "Selects how a data server comes back when it stops itself to become a standby.",
							 "auto exits under a service manager that asks to be notified, and restarts in place otherwise.",
							 &fo_guc_restart_method, FO_RESTART_AUTO, restart_words,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("failover.allow_clone",
							 "Allows a data server to replace its data by a copy of the new primary where rewinding is impossible.",
							 NULL, &fo_guc_allow_clone, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("failover.hold_connections",
							"Sets for how long new connections to a standby wait while it is promoted.",
							"They are let in when it takes writes, and as ordinary ones after that time; 0 lets them in at once, also to a primary that has no lease yet, or is about to stop.",
							&fo_guc_hold_connections, 1000, 0, 600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	MarkGUCPrefixReserved("failover");
}

void
_PG_init(void)
{
	define_parameters();

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	if (fo_guc_role == FO_ROLE_COORDINATOR)
	{
		fo_shared_install_hooks();
		fo_coordinator_register_launcher();
	}
	else
		fo_node_install();
}
