/*-------------------------------------------------------------------------
 *
 * follow.c
 *		Configures this server as a standby: standby.signal and two settings in
 *		postgresql.auto.conf.
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

#include "guc.h"
#include "libpq-fe.h"
#include "node/rejoin.h"

#define AUTO_CONF "postgresql.auto.conf"
#define AUTO_CONF_TEMPORARY "postgresql.auto.conf.tmp"
#define STANDBY_SIGNAL "standby.signal"

static const char *const replaced_settings[] = {"primary_conninfo", "primary_slot_name", NULL};

/* Does the line set one of the settings that we write? */
static bool
is_replaced(const char *line)
{
	line += strspn(line, " \t");
	for (int i = 0; replaced_settings[i] != NULL; i++)
	{
		size_t		length = strlen(replaced_settings[i]);

		if (pg_strncasecmp(line, replaced_settings[i], length) == 0 &&
			strchr(" \t='", line[length]) != NULL)
			return true;
	}
	return false;
}

/* The lines of the file that stay. */
static void
read_other_lines(StringInfo text)
{
	FILE	   *file = AllocateFile(AUTO_CONF, "r");
	StringInfoData line;
	int			next;

	if (file == NULL)
	{
		if (errno != ENOENT)
			ereport(FATAL,
					(errcode_for_file_access(),
					 errmsg("could not open file \"%s\": %m", AUTO_CONF)));
		return;
	}
	initStringInfo(&line);
	do
	{
		next = getc(file);
		if (next != EOF)
			appendStringInfoChar(&line, (char) next);
		if (line.len > 0 && (next == '\n' || next == EOF))
		{
			if (!is_replaced(line.data))
				appendBinaryStringInfo(text, line.data, line.len);
			resetStringInfo(&line);
		}
	} while (next != EOF);
	FreeFile(file);
	pfree(line.data);
	if (text->len > 0 && text->data[text->len - 1] != '\n')
		appendStringInfoChar(text, '\n');
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

/* Replace a file as a whole.  FATAL if that fails: the server must not start half configured. */
static void
write_file(const char *path, const char *temporary, const char *bytes, size_t length)
{
	int			fd = OpenTransientFile(temporary, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);

	errno = 0;
	if (fd < 0 || write(fd, bytes, length) != (ssize_t) length || pg_fsync(fd) != 0)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", temporary)));
	}
	CloseTransientFile(fd);
	(void) durable_rename(temporary, path, FATAL);
}

void
fo_node_configure_standby(const char *conninfo, const char *slot)
{
	StringInfoData text;

	initStringInfo(&text);
	read_other_lines(&text);
	append_setting(&text, "primary_conninfo", with_passfile(conninfo));
	append_setting(&text, "primary_slot_name", slot);
	write_file(AUTO_CONF, AUTO_CONF_TEMPORARY, text.data, text.len);
	write_file(STANDBY_SIGNAL, STANDBY_SIGNAL ".tmp", "", 0);
}
