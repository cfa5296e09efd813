/*-------------------------------------------------------------------------
 *
 * confirm.c
 *		What the standbys have confirmed to have heard from this server, and when
 *		that was sent: the worker's knowledge for renewals of the lease.
 *
 * A sample notes the time and how far WAL has been inserted.  A standby that
 * confirms to have written more than that has heard from this server after
 * that time, whenever its word may be read here.
 *
 * Standbys are known by application_name, and another one may bear the name of
 * one that counts: a clone, or both left it at its default.  The coordinator
 * stops the one that it knows; the other must not keep the lease alive after
 * that.  So while two bear a name the one that is behind counts, and once they
 * do the name alone does not count: who is left may be the wrong one.  (Or it is
 * the right one, come back by another connection while its old walsender still
 * waits for a word.  Nothing tells the two apart: one that idles says as little
 * as one that is gone.)  The name counts again when one has been alone with it
 * for so long that a standby which is missing would know, and the coordinator,
 * which lists nobody who says so, has spoken after that.
 *
 * Used by the node worker alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "replication/walreceiver.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/spin.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"

#include "compat.h"
#include "node/node.h"

#define SAMPLES_N 64			/* more than the turns in a lease */

/* One whose standby has closed the connection, to come back by another, is gone sooner. */
#define PAIR_AFTER_US FO_MS(200)

/* A standby that lost its connection without a word knows after wal_receiver_timeout; it is off the list some seconds later. */
#define UNLISTED_AFTER_US FO_MS(10000)
#define RECEIVER_TIMEOUT_DEFAULT_MS 60000

/* Everything inserted after lsn was inserted after at. */
typedef struct Sample
{
	FoTime		at;
	XLogRecPtr	lsn;
} Sample;

/* A walsender that streams; times are when the worker has looked. */
typedef struct Bearer
{
	pid_t		pid;			/* 0 = none */
	char		name[NAMEDATALEN];	/* application_name; '' = not known yet */
	XLogRecPtr	lsn;			/* that its standby confirms */
	FoTime		seen_since;
} Bearer;

/* A listed name. */
typedef struct ListedName
{
	char		name[FO_NAME_LEN];
	bool		is_shared;		/* two have borne it, and who is left has not been alone for long enough */
	FoTime		alone_since;	/* one bears it, or nobody; 0 = more do */
} ListedName;

static Sample samples[SAMPLES_N];
static int	samples_n = 0;		/* taken since the worker started; the last SAMPLES_N are kept */
static Bearer *bearers = NULL;	/* one for each walsender */
static ListedName names[FO_LEASE_STANDBYS_MAX];
static int	names_n = 0;

/* ---- samples ---- */

/* The clock first: what is inserted past the position came after that reading. */
void
fo_node_confirm_sample(void)
{
	Sample	   *sample = &samples[samples_n % SAMPLES_N];

	sample->at = fo_node_clock();
	sample->lsn = GetXLogInsertRecPtr();
	samples_n++;
}

/*
 * What counts is what was flushed: of a transaction that writes little and
 * slowly nothing is sent for as long as it fills no page.
 */
bool
fo_node_confirm_is_quiet(void)
{
	return samples_n < 2 || GetFlushRecPtr(NULL) <= samples[(samples_n - 2) % SAMPLES_N].lsn;
}

/* Latest moment that a standby which has written up to lsn has certainly heard from us; 0 if none is known. */
static FoTime
written_time(XLogRecPtr lsn)
{
	int			oldest = Max(0, samples_n - SAMPLES_N);

	for (int i = samples_n - 1; i >= oldest; i--)
	{
		if (samples[i % SAMPLES_N].lsn < lsn)
			return samples[i % SAMPLES_N].at;
	}
	return 0;
}

/* ---- walsenders ---- */

/*
 * What the standby of that walsender calls itself; '' if the process is gone
 * or serves logical replication.  A subscription calls itself what it likes,
 * a standby's name too, and confirms nothing that a standby holds; its
 * walsender is the one in a database.
 */
static void
read_application(pid_t pid, char *name)
{
	int			n = pgstat_fetch_stat_numbackends();

	name[0] = '\0';
	for (int i = 1; i <= n; i++)
	{
		const LocalPgBackendStatus *entry = fo_compat_backend_status(i);

		if (entry != NULL && entry->backendStatus.st_procpid == pid &&
			!OidIsValid(entry->backendStatus.st_databaseid))
			strlcpy(name, entry->backendStatus.st_appname, NAMEDATALEN);
	}
}

/* A standby keeps its name for as long as it is connected, so it is looked up once. */
static void
look_at_walsender(int number, FoTime now)
{
	WalSnd	   *slot = &WalSndCtl->walsnds[number];
	Bearer	   *bearer = &bearers[number];
	bool		is_streaming;
	pid_t		pid;

	SpinLockAcquire(&slot->mutex);
	pid = slot->pid;
	is_streaming = slot->state == WALSNDSTATE_STREAMING;
	bearer->lsn = Max(slot->write, slot->flush);
	SpinLockRelease(&slot->mutex);

	if (pid == 0 || !is_streaming || XLogRecPtrIsInvalid(bearer->lsn))
	{
		memset(bearer, 0, sizeof(*bearer));
		return;
	}
	if (bearer->pid != pid)
	{
		bearer->name[0] = '\0';
		bearer->seen_since = now;
	}
	bearer->pid = pid;
	if (bearer->name[0] == '\0')
		read_application(pid, bearer->name);
}

static void
look_at_walsenders(FoTime now)
{
	if (bearers == NULL)
		bearers = MemoryContextAllocZero(TopMemoryContext, sizeof(Bearer) * max_wal_senders);
	pgstat_clear_backend_activity_snapshot();
	for (int i = 0; i < max_wal_senders; i++)
		look_at_walsender(i, now);
	pgstat_clear_backend_activity_snapshot();
}

/* ---- names ---- */

static bool
is_borne_by(const Bearer *bearer, const ListedName *name)
{
	return bearer->pid != 0 && strcmp(bearer->name, name->name) == 0;
}

/* Have two borne it for long enough? */
static bool
has_pair(const ListedName *name, FoTime now)
{
	int			n = 0;

	for (int i = 0; i < max_wal_senders; i++)
		n += is_borne_by(&bearers[i], name) && now - bearers[i].seen_since >= PAIR_AFTER_US ? 1 : 0;
	return n > 1;
}

/* For how long one has to be alone with a name that two have borne. */
static FoTime
alone_for_us(void)
{
	return UNLISTED_AFTER_US + FO_MS(wal_receiver_timeout > 0 ? wal_receiver_timeout : RECEIVER_TIMEOUT_DEFAULT_MS);
}

/* Is the name shared?  heard_at is when the coordinator spoke last. */
static void
judge_name(ListedName *name, int bearers_n, FoTime heard_at, FoTime now)
{
	if (bearers_n > 1)
	{
		name->alone_since = 0;
		if (!name->is_shared && has_pair(name, now))
		{
			name->is_shared = true;
			ereport(LOG,
					(errmsg("failover: two walsenders serve standbys that call themselves \"%s\"", name->name),
					 errdetail("The one that is behind counts for the lease.  Whichever is left alone renews it only after it has been alone for %d s and the coordinator has been heard again.",
							   (int) (alone_for_us() / 1000000)),
					 errhint("Unless one is the rest of a broken connection, give each standby an application_name of its own.")));
		}
	}
	else if (name->alone_since == 0)
		name->alone_since = now;
	else if (heard_at > name->alone_since + alone_for_us())
		name->is_shared = false;
}

/* When what its bearers confirm was written; 0 = it does not count. */
static FoTime
confirmed_time(ListedName *name, FoTime heard_at, FoTime now)
{
	FoTime		written_at = 0;
	int			bearers_n = 0;

	for (int i = 0; i < max_wal_senders; i++)
	{
		FoTime		at;

		if (!is_borne_by(&bearers[i], name))
			continue;
		at = written_time(bearers[i].lsn);
		written_at = bearers_n++ == 0 ? at : Min(written_at, at);
	}
	judge_name(name, bearers_n, heard_at, now);
	return bearers_n == 1 && name->is_shared ? 0 : written_at;
}

/* What is known of a name outlives a change of the list. */
static void
list_names(int standbys_n, char (*standbys)[FO_NAME_LEN])
{
	ListedName	known[FO_LEASE_STANDBYS_MAX];
	int			known_n = names_n;

	memcpy(known, names, sizeof(names[0]) * names_n);
	for (names_n = 0; names_n < standbys_n; names_n++)
	{
		ListedName *name = &names[names_n];

		memset(name, 0, sizeof(*name));
		for (int i = 0; i < known_n; i++)
		{
			if (strcmp(known[i].name, standbys[names_n]) == 0)
				*name = known[i];
		}
		strlcpy(name->name, standbys[names_n], FO_NAME_LEN);
	}
}

static bool
is_connected(const ListedName *name)
{
	for (int i = 0; i < max_wal_senders; i++)
	{
		if (is_borne_by(&bearers[i], name))
			return true;
	}
	return false;
}

int
fo_node_confirm_collect(int standbys_n, char (*standbys)[FO_NAME_LEN], FoTime heard_at, FoTime *written_at)
{
	FoTime		now = fo_node_clock();
	int			connected = 0;

	look_at_walsenders(now);
	list_names(standbys_n, standbys);
	for (int i = 0; i < standbys_n; i++)
	{
		written_at[i] = confirmed_time(&names[i], heard_at, now);
		connected += is_connected(&names[i]) ? 1 : 0;
	}
	return connected;
}
