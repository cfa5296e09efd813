/*-------------------------------------------------------------------------
 *
 * syncnames.c
 *		Reads synchronous_standby_names and proves from it that a set of
 *		standbys holds every acknowledged commit.
 *
 * The proof is a counting one.  Under "k of n" each acknowledged commit was
 * confirmed by at least k of the n listed standbys; any n-k+1 of them include
 * one of those k.  FIRST k is read like ANY k: which standbys were the first k
 * at the time of a commit is not known afterwards.
 *
 * A wrong "yes" here loses acknowledged commits; a wrong "no" makes a failover
 * wait for a human.  So whatever is not understood is INVALID, which proves
 * nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "core/syncnames.h"

#include <string.h>

/* More standbys than this are required by no configuration that we believe. */
#define REQUIRED_MAX 1000000

typedef enum TokenKind
{
	TOKEN_END,
	TOKEN_NAME,					/* identifier, quoted name or '*' */
	TOKEN_NUMBER,
	TOKEN_ANY,
	TOKEN_FIRST,
	TOKEN_COMMA,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_ERROR
} TokenKind;

typedef struct Scanner
{
	const char *next;			/* first character not yet read */
	TokenKind	kind;			/* of the current token */
	char		text[FO_NAME_LEN];	/* of a NAME or NUMBER */
	int32_t		number;			/* of a NUMBER; 0 if it is none that we believe */
} Scanner;

static char
lower_ascii(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

/* PostgreSQL compares with pg_strcasecmp(); outside ASCII we compare exactly. */
bool
fo_core_sync_is_same_name(const char *a, const char *b)
{
	while (*a != '\0' && lower_ascii(*a) == lower_ascii(*b))
	{
		a++;
		b++;
	}
	return lower_ascii(*a) == lower_ascii(*b);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_identifier_start(char c)
{
	return (lower_ascii(c) >= 'a' && lower_ascii(c) <= 'z') || c == '_' || (unsigned char) c >= 0x80;
}

static bool
is_identifier_part(char c)
{
	return is_identifier_start(c) || is_digit(c) || c == '$';
}

/* Append a character to the token's text; false if it would not fit. */
static bool
keep(Scanner *scanner, size_t *length, char c)
{
	if (*length + 1 >= sizeof(scanner->text))
		return false;
	scanner->text[(*length)++] = c;
	scanner->text[*length] = '\0';
	return true;
}

/* A double-quoted name; a doubled quote inside stands for one. */
static TokenKind
scan_quoted(Scanner *scanner)
{
	size_t		length = 0;

	for (scanner->next++; *scanner->next != '\0'; scanner->next++)
	{
		if (*scanner->next == '"' && *++scanner->next != '"')
			return TOKEN_NAME;
		if (!keep(scanner, &length, *scanner->next))
			return TOKEN_ERROR;
	}
	return TOKEN_ERROR;
}

static TokenKind
scan_number(Scanner *scanner)
{
	size_t		length = 0;
	int64_t		number = 0;

	for (; is_digit(*scanner->next); scanner->next++)
	{
		if (!keep(scanner, &length, *scanner->next))
			return TOKEN_ERROR;
		if (number <= REQUIRED_MAX)
			number = number * 10 + (*scanner->next - '0');
	}
	scanner->number = number <= REQUIRED_MAX ? (int32_t) number : 0;
	return TOKEN_NUMBER;
}

static TokenKind
scan_identifier(Scanner *scanner)
{
	size_t		length = 0;

	for (; is_identifier_part(*scanner->next); scanner->next++)
	{
		if (!keep(scanner, &length, *scanner->next))
			return TOKEN_ERROR;
	}
	if (fo_core_sync_is_same_name(scanner->text, "any"))
		return TOKEN_ANY;
	if (fo_core_sync_is_same_name(scanner->text, "first"))
		return TOKEN_FIRST;
	return TOKEN_NAME;
}

static TokenKind
scan(Scanner *scanner)
{
	while (is_space(*scanner->next))
		scanner->next++;
	scanner->text[0] = '\0';
	scanner->number = 0;

	switch (*scanner->next)
	{
		case '\0':
			return TOKEN_END;
		case '"':
			return scan_quoted(scanner);
		case ',':
			scanner->next++;
			return TOKEN_COMMA;
		case '(':
			scanner->next++;
			return TOKEN_OPEN;
		case ')':
			scanner->next++;
			return TOKEN_CLOSE;
		case '*':
			scanner->next++;
			scanner->text[0] = '*';
			scanner->text[1] = '\0';
			return TOKEN_NAME;
	}
	if (is_digit(*scanner->next))
		return scan_number(scanner);
	if (is_identifier_start(*scanner->next))
		return scan_identifier(scanner);
	return TOKEN_ERROR;
}

static void
advance(Scanner *scanner)
{
	scanner->kind = scan(scanner);
}

static bool
add_name(FoSyncNames *names, const char *name)
{
	if (names->names_n >= FO_SYNC_MAX_NAMES)
		return false;
	fo_core_copy_text(names->names[names->names_n++], FO_NAME_LEN, name);
	return true;
}

/* name [, name ...], the current token being the first name. */
static bool
parse_list(Scanner *scanner, FoSyncNames *names)
{
	for (;;)
	{
		if (scanner->kind != TOKEN_NAME && scanner->kind != TOKEN_NUMBER)
			return false;
		if (!add_name(names, scanner->text))
			return false;
		advance(scanner);
		if (scanner->kind != TOKEN_COMMA)
			return true;
		advance(scanner);
	}
}

/* k (list), the current token being k. */
static bool
parse_counted(Scanner *scanner, FoSyncNames *names)
{
	if (scanner->kind != TOKEN_NUMBER || scanner->number <= 0)
		return false;
	names->required = scanner->number;
	advance(scanner);
	if (scanner->kind != TOKEN_OPEN)
		return false;
	advance(scanner);
	if (!parse_list(scanner, names) || scanner->kind != TOKEN_CLOSE)
		return false;
	advance(scanner);
	return true;
}

/* The whole text. A number may begin "k (list)" or be the first name of a bare list. */
static bool
parse_config(Scanner *scanner, FoSyncNames *names)
{
	Scanner		ahead;

	advance(scanner);
	names->method = FO_SYNC_NAMES_FIRST;
	names->required = 1;
	if (scanner->kind == TOKEN_ANY || scanner->kind == TOKEN_FIRST)
	{
		if (scanner->kind == TOKEN_ANY)
			names->method = FO_SYNC_NAMES_ANY;
		advance(scanner);
		return parse_counted(scanner, names);
	}
	ahead = *scanner;
	advance(&ahead);
	if (scanner->kind == TOKEN_NUMBER && ahead.kind == TOKEN_OPEN)
		return parse_counted(scanner, names);
	return parse_list(scanner, names);
}

void
fo_core_sync_parse(FoSyncNames *names, const char *text)
{
	Scanner		scanner;

	memset(names, 0, sizeof(*names));
	if (text == NULL || text[0] == '\0')
		return;
	memset(&scanner, 0, sizeof(scanner));
	scanner.next = text;
	if (parse_config(&scanner, names) && scanner.kind == TOKEN_END)
		return;
	memset(names, 0, sizeof(*names));
	names->method = FO_SYNC_NAMES_INVALID;
}

/* "*" stands for every name. */
static bool
matches(const char *listed, const char *application_name)
{
	return (listed[0] == '*' && listed[1] == '\0') || fo_core_sync_is_same_name(listed, application_name);
}

bool
fo_core_sync_lists(const FoSyncNames *names, const char *application_name)
{
	int			i;

	for (i = 0; i < names->names_n; i++)
	{
		if (matches(names->names[i], application_name))
			return true;
	}
	return false;
}

void
fo_core_sync_cover_begin(FoSyncCoverage *coverage, const FoSyncNames *names)
{
	int			i;

	memset(coverage, 0, sizeof(*coverage));
	coverage->names = names;
	for (i = 0; i < names->names_n; i++)
		coverage->is_borne[i] = strcmp(names->names[i], "*") == 0;
}

void
fo_core_sync_cover_self(FoSyncCoverage *coverage, const char *own_name)
{
	int			i;

	if (own_name == NULL || own_name[0] == '\0')
		return;
	for (i = 0; i < coverage->names->names_n; i++)
	{
		if (fo_core_sync_is_same_name(coverage->names->names[i], own_name))
			coverage->is_borne[i] = true;
	}
}

void
fo_core_sync_cover_add(FoSyncCoverage *coverage, const char *application_name, bool is_heard)
{
	bool		is_listed = false;
	int			i;

	for (i = 0; i < coverage->names->names_n; i++)
	{
		if (!matches(coverage->names->names[i], application_name))
			continue;
		coverage->is_borne[i] = true;
		is_listed = true;
	}
	if (!is_listed)
		return;
	coverage->listed++;
	if (is_heard)
		coverage->heard++;
}

bool
fo_core_sync_cover_ask(const FoSyncCoverage *coverage)
{
	const FoSyncNames *names = coverage->names;
	int32_t		listed = coverage->listed;
	int			i;

	if (names->method != FO_SYNC_NAMES_FIRST && names->method != FO_SYNC_NAMES_ANY)
		return false;
	for (i = 0; i < names->names_n; i++)
	{
		if (!coverage->is_borne[i])
			listed++;
	}
	return coverage->heard > 0 && coverage->heard >= listed - names->required + 1;
}
