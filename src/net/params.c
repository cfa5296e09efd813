/*-------------------------------------------------------------------------
 *
 * params.c
 *		What libpq is told to connect with: the conninfo's own options, the
 *		resolved addresses, and everything that a control session fixes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "net/link_internal.h"

/* Options that are ours to set, whatever the conninfo says of them. */
static const char *const forced_options[] = {
	"host", "hostaddr", "port", "client_encoding", "application_name",
	"fallback_application_name", "connect_timeout", "options", "keepalives",
	"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
	"target_session_attrs", "load_balance_hosts", "replication", "service", "password", "passfile"
};

static void
add_param(FoConnectParams *params, const char *keyword, const char *value)
{
	if (params->n == FO_CONNECT_PARAMS_MAX)
		return;
	params->keywords[params->n] = keyword;
	params->values[params->n] = value;
	params->n++;
	params->keywords[params->n] = NULL;
	params->values[params->n] = NULL;
}

static bool
is_forced(const char *keyword)
{
	for (int i = 0; i < (int) lengthof(forced_options); i++)
	{
		if (strcmp(forced_options[i], keyword) == 0)
			return true;
	}
	return false;
}

/* The parts of the endpoints as libpq's lists. */
static void
add_endpoint_params(FoConnectParams *params, const FoTarget *target)
{
	StringInfoData hosts;
	StringInfoData addresses;
	StringInfoData ports;

	initStringInfo(&hosts);
	initStringInfo(&addresses);
	initStringInfo(&ports);
	for (int i = 0; i < target->endpoints_n; i++)
	{
		const char *comma = i > 0 ? "," : "";

		appendStringInfo(&hosts, "%s%s", comma, target->endpoints[i].host);
		appendStringInfo(&addresses, "%s%s", comma, target->endpoints[i].address);
		appendStringInfo(&ports, "%s%s", comma, target->endpoints[i].port);
	}
	add_param(params, "host", hosts.data);
	add_param(params, "hostaddr", addresses.data);
	add_param(params, "port", ports.data);
}

/*
 * Everything for PQconnectStartParams().  Whatever the conninfo says of the
 * session itself is overruled: this is a control session, not a client's.
 */
void
fo_net_params_build(FoLink *link, FoConnectParams *params)
{
	bool		has_gss = false;

	params->n = 0;
	for (const PQconninfoOption *option = link->target.options; option->keyword != NULL; option++)
	{
		if (option->val == NULL || is_forced(option->keyword))
			continue;
		add_param(params, option->keyword, option->val);
		if (strcmp(option->keyword, "gssencmode") == 0)
			has_gss = true;
	}
	add_endpoint_params(params, &link->target);
	add_param(params, "client_encoding", "UTF8");
	add_param(params, "application_name", link->application_name);
	if (link->passfile != NULL && *link->passfile != '\0')
		add_param(params, "passfile", link->passfile);
	add_param(params, "target_session_attrs", "any");
	add_param(params, "keepalives", "1");
	add_param(params, "keepalives_idle", "1");
	add_param(params, "keepalives_interval", "1");
	add_param(params, "keepalives_count", "2");
	add_param(params, "tcp_user_timeout",
			  psprintf(INT64_FORMAT, Min(Max(link->open_timeout_ms, 1000), 60000)));

	/* Negotiating GSS costs a round trip and its ticket look-up may block. */
	if (!has_gss)
		add_param(params, "gssencmode", "disable");
}

/*
 * libpq takes what the conninfo leaves out from the environment of the
 * process, which is the postmaster's: nobody's intention.  Credentials
 * (PGPASSFILE, PGSSLCERT...) stay.
 */
void
fo_net_params_clear_environment(void)
{
	static const char *const names[] = {
		"PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGPASSWORD", "PGOPTIONS",
		"PGTARGETSESSIONATTRS", "PGAPPNAME", "PGDATESTYLE", "PGTZ", "PGGEQO",
		"PGLOADBALANCEHOSTS", "PGCLIENTENCODING"
	};
	static bool is_done = false;

	if (is_done)
		return;
	for (int i = 0; i < (int) lengthof(names); i++)
		unsetenv(names[i]);
	is_done = true;
}
