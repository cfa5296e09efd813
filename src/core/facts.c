/*-------------------------------------------------------------------------
 *
 * facts.c
 *		Facts about a peer by name: what the survey's rows are read with.
 *
 *-------------------------------------------------------------------------
 */
#include "core/preflight.h"

#include <string.h>

/* Digits of a number that a setting may have. */
#define DIGITS_MAX 18

typedef enum FactKind
{
	FACT_NUMBER,				/* int64_t */
	FACT_SWITCH,				/* int64_t, 0 or 1 */
	FACT_WORD,					/* char[FO_NAME_LEN] */
	FACT_LINES					/* char[FO_FACT_LINES_LEN]; each value adds one */
} FactKind;

typedef struct FactField
{
	const char *name;
	FactKind	kind;
	size_t		offset;
} FactField;

#define NUMBER(name) {#name, FACT_NUMBER, offsetof(FoPeerFacts, name)}
#define SWITCH(name) {#name, FACT_SWITCH, offsetof(FoPeerFacts, name)}
#define WORD(name) {#name, FACT_WORD, offsetof(FoPeerFacts, name)}
#define LINES(name) {#name, FACT_LINES, offsetof(FoPeerFacts, name)}

static const FactField fields[] = {
	SWITCH(wal_log_hints),
	SWITCH(data_checksums),
	SWITCH(full_page_writes),
	SWITCH(fsync),
	SWITCH(hot_standby),
	SWITCH(allow_alter_system),
	SWITCH(restart_after_crash),
	NUMBER(max_replication_slots),
	NUMBER(max_wal_senders),
	NUMBER(max_connections),
	NUMBER(max_worker_processes),
	NUMBER(max_prepared_transactions),
	NUMBER(max_locks_per_transaction),
	NUMBER(wal_keep_size),
	NUMBER(max_wal_size),
	NUMBER(max_slot_wal_keep_size),
	NUMBER(wal_receiver_timeout),
	NUMBER(wal_retrieve_retry_interval),
	NUMBER(wal_receiver_status_interval),
	WORD(wal_level),
	WORD(archive_mode),
	WORD(recovery_target_timeline),
	LINES(recovery_targets),
	WORD(synchronous_commit),
	WORD(primary_slot_name),
	SWITCH(has_archive_command),
	SWITCH(has_restore_command),
	SWITCH(has_library_loaded),
	SWITCH(may_replicate),
	LINES(missing_privileges),
	LINES(missing_rewind_privileges),
	LINES(unreachable_upstreams),
	LINES(unreachable_sources),
	LINES(return_problem),
	NUMBER(slots_n),
	LINES(slots),
	LINES(lost_slots),
	LINES(logical_slots),
};

#define FIELDS_N ((int) (sizeof(fields) / sizeof(fields[0])))

static void *
place_of(FoPeerFacts *facts, const FactField *field)
{
	return (char *) facts + field->offset;
}

void
fo_core_facts_init(FoPeerFacts *facts)
{
	int			i;

	memset(facts, 0, sizeof(*facts));
	for (i = 0; i < FIELDS_N; i++)
	{
		if (fields[i].kind == FACT_NUMBER || fields[i].kind == FACT_SWITCH)
			*(int64_t *) place_of(facts, &fields[i]) = FO_FACT_UNKNOWN;
	}
}

static bool
put_number(int64_t *to, const char *value)
{
	bool		is_negative = value[0] == '-';
	const char *digits = is_negative ? value + 1 : value;
	int64_t		number = 0;
	const char *c;

	for (c = digits; *c >= '0' && *c <= '9' && c - digits < DIGITS_MAX; c++)
		number = number * 10 + (*c - '0');
	if (c == digits || *c != '\0')
		return false;
	*to = is_negative ? -number : number;
	return true;
}

static bool
put_switch(int64_t *to, const char *value)
{
	if (strcmp(value, "on") == 0 || strcmp(value, "true") == 0)
		*to = 1;
	else if (strcmp(value, "off") == 0 || strcmp(value, "false") == 0)
		*to = 0;
	else
		return false;
	return true;
}

static void
put_line(char *lines, const char *value)
{
	size_t		used = strlen(lines);

	if (used > 0 && used + 1 < FO_FACT_LINES_LEN)
		lines[used++] = '\n';
	fo_core_copy_text(lines + used, FO_FACT_LINES_LEN - used, value);
}

bool
fo_core_facts_put(FoPeerFacts *facts, const char *name, const char *value)
{
	int			i;

	for (i = 0; i < FIELDS_N; i++)
	{
		void	   *to = place_of(facts, &fields[i]);

		if (strcmp(fields[i].name, name) != 0)
			continue;
		switch (fields[i].kind)
		{
			case FACT_NUMBER:
				return put_number(to, value);
			case FACT_SWITCH:
				return put_switch(to, value);
			case FACT_WORD:
				fo_core_copy_text(to, FO_NAME_LEN, value);
				return true;
			case FACT_LINES:
				put_line(to, value);
				return true;
		}
	}
	return false;
}
