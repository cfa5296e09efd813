/*-------------------------------------------------------------------------
 *
 * types.h
 *		The vocabulary of the decision core: limits, enumerations and the
 *		words they are written as in SQL, logs and events.
 *
 * Everything under src/core is pure: it includes nothing but the C library's
 * <stdint.h>, <stdbool.h>, <stddef.h>, <string.h> and <math.h>, allocates
 * nothing, reads no clock and does no I/O.  Time is always an argument, in
 * microseconds of one monotonic clock (FoTime); durations are in milliseconds
 * where a name ends in _ms and in microseconds where it ends in _us.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_TYPES_H
#define FO_CORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A group or peer name, with its terminator: as long as any PostgreSQL name. */
#define FO_NAME_LEN 64

/* A sentence shown to the operator, with its terminator; longer ones are cut. */
#define FO_SENTENCE_LEN 256

/* A registered conninfo in canonical form, with its terminator. */
#define FO_CONNINFO_LEN 512

/* Of the message that a write check writes to the WAL of a primary, and by which that is told from a client's commit. */
#define FO_WRITE_CHECK_PREFIX "failover"

/* Microseconds of a monotonic clock.  0 means "never". */
typedef int64_t FoTime;

#define FO_MS(ms) ((FoTime) (ms) * 1000)

/* A WAL position; 0 is invalid, as InvalidXLogRecPtr is. */
typedef uint64_t FoLsn;

/* Why a check of a peer failed.  The words are part of the SQL contract. */
typedef enum FoErrorClass
{
	FO_ERROR_NONE = 0,
	FO_ERROR_REFUSED,			/* its host answers: nobody listens there */
	FO_ERROR_TIMEOUT,			/* silence, or no route: proves nothing */
	FO_ERROR_RESET,				/* an established session ended */
	FO_ERROR_DNS,				/* its name does not resolve */
	FO_ERROR_AUTH,				/* alive, but does not let us in (class 28, 3D000, 42501) */
	FO_ERROR_TOO_MANY_CONNECTIONS,	/* alive, but full (53300) */
	FO_ERROR_STARTING_UP,		/* alive: 57P03 while starting or in crash recovery */
	FO_ERROR_SHUTTING_DOWN,		/* alive still: 57P03 while stopping, or 57P01 */
	FO_ERROR_PROTOCOL,			/* something answers that is no PostgreSQL */
	FO_ERROR_DISK_FULL,			/* alive, but 53100 */
	FO_ERROR_QUERY,				/* alive, but the status query failed */
	FO_ERROR_N
} FoErrorClass;

typedef enum FoHealth
{
	FO_HEALTH_UNKNOWN = 0,		/* never checked, or too few checks to say */
	FO_HEALTH_HEALTHY,
	FO_HEALTH_DEGRADED,			/* answers, but slow, flaky or half broken */
	FO_HEALTH_UNHEALTHY,
	FO_HEALTH_N
} FoHealth;

typedef enum FoGroupKind
{
	FO_KIND_STREAMING = 0,		/* one primary, physical standbys */
	FO_KIND_SERVICE,			/* equal endpoints, one active */
	FO_KIND_N
} FoGroupKind;

/* State of a standby's walreceiver as its own pg_stat_wal_receiver says. */
typedef enum FoReceiver
{
	FO_RECEIVER_NONE = 0,		/* no row: not running */
	FO_RECEIVER_STARTING,		/* starting, restarting, stopping, unknown */
	FO_RECEIVER_WAITING,		/* connected but not streaming: often a diverged history */
	FO_RECEIVER_STREAMING,
	FO_RECEIVER_N
} FoReceiver;

/* Words for the enumerations, as SQL shows them.  Static strings, never NULL. */
extern const char *fo_core_error_class_name(FoErrorClass error);
extern const char *fo_core_health_name(FoHealth health);
extern const char *fo_core_group_kind_name(FoGroupKind kind);
extern const char *fo_core_receiver_name(FoReceiver receiver);

/*
 * Does this error prove that the peer's server process lives?  (Then it is
 * never "dead", whatever else is wrong with it.)
 */
extern bool fo_core_error_proves_life(FoErrorClass error);

/*
 * Does it come from a server that runs and takes sessions?  Then an earlier end
 * of a session was not the server's end.  One that starts or stops may be that
 * of which the session was.
 */
extern bool fo_core_error_shows_service(FoErrorClass error);

/*
 * How many bytes of the text, at most limit, are whole characters of UTF-8: for
 * "%.*s".  Of another encoding it may be some bytes less.
 */
extern int	fo_core_clip(const char *text, int limit);

/* Copy a string into a fixed buffer, cut at a UTF-8 character boundary. */
extern void fo_core_copy_text(char *to, size_t size, const char *from);

#endif							/* FO_CORE_TYPES_H */
