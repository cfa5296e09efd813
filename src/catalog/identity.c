/*-------------------------------------------------------------------------
 *
 * identity.c
 *		The row that says which coordinator this database belongs to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/internal.h"
#include "catalog/rows.h"

bool
fo_catalog_read_identity(FoIdentity *identity)
{
	memset(identity, 0, sizeof(*identity));
	if (fo_catalog_execute("SELECT name, place, copied FROM %s.failover_identity", 0, NULL, NULL, NULL, true) != 1)
		return false;
	fo_catalog_column_copy(0, 1, identity->name, sizeof(identity->name));
	fo_catalog_column_copy(0, 2, identity->place, sizeof(identity->place));
	identity->is_copied = fo_catalog_column_bool(0, 3);
	return identity->name[0] != '\0';
}

void
fo_catalog_write_identity(const char *name, const char *place, bool is_copied)
{
	FoParams	params = {0};

	fo_catalog_add_text(&params, name);
	fo_catalog_add_text(&params, place);
	fo_catalog_add_bool(&params, is_copied);
	fo_catalog_write("INSERT INTO %s.failover_identity AS i (name, place, copied) VALUES ($1, $2, $3)"
					 " ON CONFLICT (is_only) DO UPDATE SET name = excluded.name, place = excluded.place, copied = excluded.copied",
					 &params);
}
