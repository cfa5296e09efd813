/*-------------------------------------------------------------------------
 *
 * preflight.c
 *		Tries the table of findings on a group.
 *
 *-------------------------------------------------------------------------
 */
#include "core/preflight.h"

#include <string.h>

static const char *const severity_names[FO_PREFLIGHT_SEVERITIES_N] = {
	[FO_PREFLIGHT_ERROR] = "error",
	[FO_PREFLIGHT_WARNING] = "warning",
	[FO_PREFLIGHT_INFO] = "info",
};

const char *
fo_core_preflight_severity_name(FoPreflightSeverity severity)
{
	return severity_names[severity];
}

/* The table: its runs, in the order in which they are tried. */
static const FoPreflightRun *const runs[] = {
	&fo_core_preflight_group_rows,
	&fo_core_preflight_peer_rows,
	&fo_core_preflight_standby_rows,
	&fo_core_preflight_return_rows, /* the last: see bars_return() */
};

#define RUNS_N ((int) (sizeof(runs) / sizeof(runs[0])))

int
fo_core_preflight_rules_n(void)
{
	int			n = 0;
	int			i;

	for (i = 0; i < RUNS_N; i++)
		n += runs[i]->n;
	return n;
}

static const FoPreflightRow *
row_of(int rule)
{
	int			i;

	for (i = 0; i < RUNS_N && rule >= runs[i]->n; i++)
		rule -= runs[i]->n;
	return &runs[i]->rows[rule];
}

int64_t
fo_core_preflight_fact(const FoPreflightTrial *trial, const FoPeerFacts *facts)
{
	if (facts == NULL)
		return FO_FACT_UNKNOWN;
	return *(const int64_t *) ((const char *) facts + trial->fact);
}

bool
fo_core_preflight_compare(FoPreflightTrial *trial, int64_t *here, int64_t *at_primary)
{
	*here = fo_core_preflight_fact(trial, trial->facts);
	*at_primary = fo_core_preflight_fact(trial, trial->primary);
	if (*here == FO_FACT_UNKNOWN || *at_primary == FO_FACT_UNKNOWN)
		return false;
	fo_core_text_add_integer(trial->detail, *here);
	fo_core_text_add(trial->detail, ", and ");
	fo_core_text_add_integer(trial->detail, *at_primary);
	fo_core_text_add(trial->detail, " on the primary");
	return true;
}

void
fo_core_preflight_add_lines(FoText *text, const char *lines, const char *separator)
{
	char		piece[2] = {0};

	for (; *lines != '\0'; lines++)
	{
		piece[0] = *lines;
		fo_core_text_add(text, *lines == '\n' ? separator : piece);
	}
}

bool
fo_core_preflight_has_line(const char *lines, const char *wanted)
{
	size_t		length = strlen(wanted);
	const char *line = lines;

	while (line != NULL)
	{
		if (strncmp(line, wanted, length) == 0 && (line[length] == '\n' || line[length] == '\0'))
			return true;
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return false;
}

bool
fo_core_preflight_is_cut(const char *lines)
{
	return strlen(lines) >= FO_FACT_LINES_LEN - 1;
}

static bool
is_in_scope(const FoPreflightTrial *trial, FoPreflightScope scope)
{
	bool		is_primary = trial->peer == trial->group->primary;

	if (trial->peer < 0 || scope == FO_PREFLIGHT_GROUP)
		return trial->peer < 0 && scope == FO_PREFLIGHT_GROUP;

	/* What a streaming replication group needs, another does not. */
	if (scope != FO_PREFLIGHT_PEER && trial->group->kind != FO_KIND_STREAMING)
		return false;
	switch (scope)
	{
		case FO_PREFLIGHT_PEER:
			return true;
		case FO_PREFLIGHT_KNOWN:
			return trial->facts->is_known;
		case FO_PREFLIGHT_PRIMARY:
			return trial->facts->is_known && is_primary;
		case FO_PREFLIGHT_STANDBY:
			return trial->facts->is_known && !is_primary && trial->view->observed.in_recovery;
		case FO_PREFLIGHT_GROUP:
			break;
	}
	return false;
}

/* The row's sentence, with the detail in the place of %d. */
static void
write_finding(const char *sentence, const char *detail, FoPreflightFinding *finding)
{
	FoText		text;
	char		piece[2] = {0};

	fo_core_text_begin(&text, finding->finding, sizeof(finding->finding));
	for (; *sentence != '\0'; sentence++)
	{
		if (sentence[0] == '%' && sentence[1] == 'd')
		{
			fo_core_text_add(&text, detail);
			sentence++;
			continue;
		}
		piece[0] = *sentence;
		fo_core_text_add(&text, piece);
	}
}

bool
fo_core_preflight_try(const FoPreflightInput *input, int rule, int peer, FoPreflightFinding *finding)
{
	const FoPreflightRow *row = row_of(rule);
	FoPreflightTrial trial;
	char		detail[FO_SENTENCE_LEN];
	FoText		text;

	memset(&trial, 0, sizeof(trial));
	fo_core_text_begin(&text, detail, sizeof(detail));
	trial.input = input;
	trial.group = input->group;
	trial.peer = peer;
	trial.fact = row->fact;
	trial.detail = &text;
	if (peer >= 0)
	{
		trial.view = &input->group->peers[peer];
		trial.facts = &input->facts[peer];
	}
	if (input->group->primary >= 0 && input->facts[input->group->primary].is_known)
		trial.primary = &input->facts[input->group->primary];
	if (!is_in_scope(&trial, row->scope) || !row->holds(&trial))
		return false;

	memset(finding, 0, sizeof(*finding));
	finding->peer = peer;
	finding->severity = row->severity;
	finding->hint = row->hint;
	write_finding(row->finding, detail, finding);
	return true;
}

/* Does one of the last rows hold? */
static bool
bars_return(const FoPreflightInput *input, int peer, FoPreflightFinding *finding)
{
	int			rules_n = fo_core_preflight_rules_n();
	int			rule;

	for (rule = rules_n - fo_core_preflight_return_rows.n; rule < rules_n; rule++)
	{
		if (fo_core_preflight_try(input, rule, peer, finding))
			return true;
	}
	return false;
}

bool
fo_core_preflight_bars_return(const FoPreflightInput *input, int target, FoPreflightFinding *finding)
{
	int			peer;

	for (peer = 0; peer < input->group->peers_n && input->group->primary >= 0; peer++)
	{
		bool		is_target = target >= 0 ? peer == target : input->group->peers[peer].is_promotable;

		if ((peer == input->group->primary || is_target) && bars_return(input, peer, finding))
			return true;
	}
	return false;
}
