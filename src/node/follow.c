/*-------------------------------------------------------------------------
 *
 * follow.c
 *		Configures this server as a standby: standby.signal and two settings in
 *		postgresql.auto.conf.
 *
 * Recovery targets are overridden there, if there are any.  A server that was
 * once restored to a point in time may bear its own for years: a primary
 * ignores it, a standby stops at it or promotes itself.
 *
 * Written by the postmaster before the server runs, so ALTER SYSTEM, whose
 * file this is, cannot be used; like pg_basebackup -R it adds lines that the
 * next ALTER SYSTEM will keep.  The file is replaced as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "storage/fd.h"
#include "utils/guc.h"

#include "guc.h"
#include "libpq-fe.h"
#include "node/rejoin.h"

#define AUTO_CONF "postgresql.auto.conf"
#define AUTO_CONF_TEMPORARY "postgresql.auto.conf.tmp"
#define STANDBY_SIGNAL "standby.signal"

static const char *const replaced_settings[] = {"primary_conninfo", "primary_slot_name", NULL};

/* What ends recovery early, or keeps it on a timeline, and the values that do not. */
static const char *const target_settings[][2] = {
	{"recovery_target", ""},
	{"recovery_target_name", ""},
	{"recovery_target_time", ""},
	{"recovery_target_xid", ""},
	{"recovery_target_lsn", ""},
	{"recovery_target_timeline", "latest"},
	{NULL, NULL}
};

static bool
is_setting(const char *line, const char *name)
{
	size_t		length = strlen(name);

	line += strspn(line, " \t");
	return pg_strncasecmp(line, name, length) == 0 && strchr(" \t='", line[length]) != NULL;
}

/* Does the line set one of the settings that we write?  Notes if it is a recovery target. */
static bool
is_replaced(const char *line, bool *has_target)
{
	for (int i = 0; replaced_settings[i] != NULL; i++)
	{
		if (is_setting(line, replaced_settings[i]))
			return true;
	}
	for (int i = 0; target_settings[i][0] != NULL; i++)
	{
		if (is_setting(line, target_settings[i][0]))
		{
			*has_target = true;
			return true;
		}
	}
	return false;
}

/* The first setting of a recovery target that is in force in this server, wherever it comes from; NULL = none. */
static const char *
find_target(void)
{
	for (int i = 0; target_settings[i][0] != NULL; i++)
	{
		const char *value = GetConfigOption(target_settings[i][0], true, false);

		if (value != NULL && strcmp(value, target_settings[i][1]) != 0)
			return target_settings[i][0];
	}
	return NULL;
}

/* The lines of the file that stay; was there a recovery target among the others?  False if it cannot be read; errno tells why. */
static bool
read_other_lines(StringInfo text, bool *has_target)
{
	FILE	   *file = AllocateFile(AUTO_CONF, "r");
	StringInfoData line;
	bool		is_complete;
	int			next;

	if (file == NULL)
		return errno == ENOENT;
	initStringInfo(&line);
	do
	{
		next = getc(file);
		if (next != EOF)
			appendStringInfoChar(&line, (char) next);
		if (line.len > 0 && (next == '\n' || next == EOF))
		{
			if (!is_replaced(line.data, has_target))
				appendBinaryStringInfo(text, line.data, line.len);
			resetStringInfo(&line);
		}
	} while (next != EOF);
	is_complete = !ferror(file);
	FreeFile(file);
	pfree(line.data);
	if (text->len > 0 && text->data[text->len - 1] != '\n')
		appendStringInfoChar(text, '\n');
	return is_complete;
}

static void
append_setting(StringInfo text, const char *name, const char *value)
{
	char	   *escaped = escape_single_quotes_ascii(value);

	if (escaped == NULL)
		ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	appendStringInfo(text, "%s = '%s'\n", name, escaped);
	free(escaped);
}

/* The conninfo with this server's password file, if it has one of its own and the conninfo names none. */
static char *
with_passfile(const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, conninfo);
	for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
	{
		if (strcmp(option->keyword, "passfile") != 0 || option->val != NULL || fo_guc_passfile[0] == '\0')
			continue;
		appendStringInfoString(&text, " passfile='");
		for (const char *at = fo_guc_passfile; *at != '\0'; at++)
		{
			if (*at == '\'' || *at == '\\')
				appendStringInfoChar(&text, '\\');
			appendStringInfoChar(&text, *at);
		}
		appendStringInfoChar(&text, '\'');
	}
	PQconninfoFree(options);
	return text.data;
}

/* Write a file; False with a report if that failed.  Its name is durable with the directory. */
static bool
write_file(const char *path, const char *bytes, size_t length, char *report, size_t size)
{
	int			fd = OpenTransientFile(path, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);
	bool		is_written = fd >= 0;
	int			reason = errno;

	if (is_written)
	{
		errno = 0;
		is_written = write(fd, bytes, length) == (ssize_t) length && pg_fsync(fd) == 0;
		reason = errno != 0 ? errno : ENOSPC;
		CloseTransientFile(fd);
	}
	if (!is_written)
		snprintf(report, size, "could not write file \"%s\": %s", path, strerror(reason));
	return is_written;
}

/*
 * Both files are on disk when it returns.  Clients wait for the new primary
 * meanwhile, perhaps on the same disk, so there is one flush for the two names
 * rather than durable_rename()'s for each.  A crash in between leaves one of
 * them; the state file does not rely on them yet.
 */
static bool
replace_files(const char *bytes, size_t length, char *report, size_t size)
{
	if (!write_file(AUTO_CONF_TEMPORARY, bytes, length, report, size))
		return false;
	if (rename(AUTO_CONF_TEMPORARY, AUTO_CONF) != 0)
	{
		snprintf(report, size, "could not replace file \"%s\": %s", AUTO_CONF, strerror(errno));
		return false;
	}
	if (!write_file(STANDBY_SIGNAL, "", 0, report, size))
		return false;
	if (fsync_fname_ext(".", true, false, LOG) != 0)
	{
		snprintf(report, size, "could not write the data directory to disk, the log says why");
		return false;
	}
	return true;
}

bool
fo_node_configure_standby(const char *conninfo, const char *slot, char *report, size_t size)
{
	StringInfoData text;
	const char *target = find_target();
	bool		has_target = target != NULL;

	initStringInfo(&text);
	if (!read_other_lines(&text, &has_target))
	{
		snprintf(report, size, "could not read file \"%s\": %s", AUTO_CONF, strerror(errno));
		return false;
	}
	append_setting(&text, "primary_conninfo", with_passfile(conninfo));
	append_setting(&text, "primary_slot_name", slot);
	/* Lines that were there may be ours of an earlier time, without which another file's would be in force again. */
	for (int i = 0; has_target && target_settings[i][0] != NULL; i++)
		append_setting(&text, target_settings[i][0], target_settings[i][1]);
	if (target != NULL)
		ereport(LOG, (errmsg("failover: %s was set on this server, it is overridden in \"%s\"", target, AUTO_CONF)));
	return replace_files(text.data, text.len, report, size);
}
