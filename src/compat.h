/*-------------------------------------------------------------------------
 *
 * compat.h
 *		Every difference between PostgreSQL 15, 16, 17 and 18 that matters to
 *		this extension, as static inline wrappers.  No other file tests
 *		PG_VERSION_NUM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COMPAT_H
#define FO_COMPAT_H

#include "postgres.h"
#include "common/string.h"
#include "fmgr.h"
#include "postmaster/postmaster.h"
#include "replication/message.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif
#include "utils/memutils.h"
#include "utils/backend_status.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "failover needs PostgreSQL 15 or later"
#endif

/* PG_MODULE_MAGIC_EXT came with 18. */
#if PG_VERSION_NUM >= 180000
#define FO_MODULE_MAGIC(n, v) PG_MODULE_MAGIC_EXT(.name = n, .version = v)
#else
#define FO_MODULE_MAGIC(n, v) PG_MODULE_MAGIC
#endif

/* pg_noreturn came with 18 and stands before the declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* WaitEventSets belong to a ResourceOwner since 17: ours lives as long as the process. */
static inline WaitEventSet *
fo_compat_create_wait_event_set(int nevents)
{
#if PG_VERSION_NUM >= 170000
	return CreateWaitEventSet(NULL, nevents);
#else
	return CreateWaitEventSet(TopMemoryContext, nevents);
#endif
}

/* Custom wait events came with 17; before, everything an extension does is "Extension". */
static inline uint32
fo_compat_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	(void) name;
	return PG_WAIT_EXTENSION;
#endif
}

/* Status of backend number index (from 1), from the local snapshot; renamed in 16. */
static inline const LocalPgBackendStatus *
fo_compat_backend_status(int index)
{
#if PG_VERSION_NUM >= 160000
	return pgstat_get_local_beentry_by_index(index);
#else
	return pgstat_fetch_stat_local_beentry(index);
#endif
}

/* Does the startup process wait for somebody who reads what it is to replay?  A class was renamed in 17. */
static inline bool
fo_compat_is_recovery_conflict(uint32 wait_event)
{
#if PG_VERSION_NUM >= 170000
	const uint32 pin = PG_WAIT_BUFFERPIN;
#else
	const uint32 pin = PG_WAIT_BUFFER_PIN;
#endif

	return (wait_event & 0xFF000000U) == pin || (wait_event & 0xFF000000U) == PG_WAIT_LOCK ||
		wait_event == WAIT_EVENT_RECOVERY_CONFLICT_SNAPSHOT || wait_event == WAIT_EVENT_RECOVERY_CONFLICT_TABLESPACE;
}

/* Cancel what that backend does as recovery would.  Its number is not known; how that is said changed in 17. */
static inline void
fo_compat_cancel_reader(int pid)
{
#if PG_VERSION_NUM >= 170000
	(void) SendProcSignal(pid, PROCSIG_RECOVERY_CONFLICT_SNAPSHOT, INVALID_PROC_NUMBER);
#else
	(void) SendProcSignal(pid, PROCSIG_RECOVERY_CONFLICT_SNAPSHOT, InvalidBackendId);
#endif
}

/* A non-transactional logical message, not flushed; 17 added the choice. */
static inline XLogRecPtr
fo_compat_log_message(const char *prefix, const char *message, size_t size)
{
#if PG_VERSION_NUM >= 170000
	return LogLogicalMessage(prefix, message, size, false, false);
#else
	return LogLogicalMessage(prefix, message, size, false);
#endif
}

/* An application_name as this version shows it, which is plain ASCII: in place, size bytes. */
static inline void
fo_compat_clean_name(char *name, size_t size)
{
#if PG_VERSION_NUM >= 160000
	char	   *clean = pg_clean_ascii(name, 0);

	strlcpy(name, clean, size);
	pfree(clean);
#else
	(void) size;
	pg_clean_ascii(name);
#endif
}

/* Could so many connect yet, and those for whom places are reserved?  16 reserves more of them, and tells how many there are. */
static inline bool
fo_compat_has_free_places(int n)
{
#if PG_VERSION_NUM >= 160000
	int			free_n;

	return HaveNFreeProcs(Max(n, 1) + SuperuserReservedConnections + ReservedConnections, &free_n);
#else
	return HaveNFreeProcs(Max(n, 1) + ReservedBackends);
#endif
}

/*
 * Has the checkpointer taken over a synchronous_standby_names that is not
 * empty?  Before that no commit waits, whatever the sessions and walsenders
 * say.  One flag of several since the minor releases of May 2025.
 */
static inline bool
fo_compat_is_sync_in_force(void)
{
#ifdef SYNC_STANDBY_DEFINED
	return (WalSndCtl->sync_standbys_status & SYNC_STANDBY_DEFINED) != 0;
#else
	return WalSndCtl->sync_standbys_defined;
#endif
}

#endif							/* FO_COMPAT_H */
