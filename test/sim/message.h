/*-------------------------------------------------------------------------
 *
 * message.h
 *		What goes over the simulated network, and what waits in the queue.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIM_MESSAGE_H
#define SIM_MESSAGE_H

#include "core/candidate.h"
#include "core/lease.h"
#include "core/operation.h"
#include "core/verdict.h"

#define PEERS_MAX 5
#define COORDINATORS_N 2
#define HOSTS_MAX (PEERS_MAX + COORDINATORS_N)
#define COORDINATOR_HOST(c) (PEERS_MAX + (c))
#define LOG_MAX 1800
#define RECORDS_MAX 4000
#define HISTORY_MAX 16
#define CHUNK_MAX 16			/* records in one message */
#define TXNS_MAX 16
#define SAMPLES_N 64
#define TASKS_MAX 12
#define FAULTS_MAX 16
#define LSN_STEP 100
#define SYNC_TEXT_LEN 48		/* of synchronous_standby_names */

#define LSN(count) ((FoLsn) (count) * LSN_STEP + 1)

/* ---- messages ---- */

typedef enum MessageKind
{
	/* to a server */
	MSG_CONNECT = 1,			/* a coordinator opens a session */
	MSG_CHECK,					/* heartbeat and status */
	MSG_COMMAND,
	MSG_RX_CONNECT,				/* a walreceiver opens a session */
	MSG_WAL_ACK,
	/* to a walreceiver */
	MSG_RX_STREAM,
	MSG_RX_REFUSED,
	MSG_WAL,					/* with no records: keepalive */
	/* to a coordinator */
	MSG_CONNECTED,
	MSG_STATUS,					/* answer to a check or a command */
	MSG_ERROR,
	/* to anybody */
	MSG_END						/* the other side has closed, or never knew the session */
} MessageKind;

typedef enum Command
{
	CMD_NONE = 0,
	CMD_LOOK,
	CMD_FENCE,
	CMD_FREEZE,
	CMD_SYNC_NAMES,
	CMD_PROMOTE,
	CMD_REPOINT,
	CMD_RECONNECT,
	CMD_DEMOTE,
	CMD_REJOIN
} Command;

typedef struct Heartbeat
{
	int64_t		term;
	FoTime		valid_until;	/* on the node's clock; 0 = no grant */
	int64_t		lease_us;
	int64_t		incarnation;
	int			owner;			/* which coordinator */
	int64_t		version;		/* of the two: lease_us and standbys */
	uint32_t	standbys;		/* mask of those that renew */
} Heartbeat;

typedef struct Order
{
	Command		command;
	int			call;
	int64_t		term;			/* in which it was decided; repeated, it is still of that one */
	int			upstream;		/* REPOINT, REJOIN */
	uint32_t	timeline;		/* PROMOTE: begin this one, or a later one */
	int			sync_k;			/* SYNC_NAMES; 0 = none */
	uint32_t	sync_mask;
	char		sync_names[SYNC_TEXT_LEN];
	int			marker;			/* LOOK: how many of the set have confirmed this? */
} Order;

/* What an answer tells of a server. */
typedef struct Status
{
	Command		command;
	int			call;
	bool		is_refused;		/* the command, or the heartbeat's term */
	bool		in_recovery;
	uint32_t	timeline;
	int			position;
	uint32_t	newest_history;
	FoReceiver	receiver;
	int			receiver_id;
	int			upstream;		/* configured; -1 = primary_conninfo is empty */
	int			receiver_upstream;
	int64_t		message_age_us;
	int			streaming_standbys;
	char		sync_names[SYNC_TEXT_LEN];
	bool		is_sync_in_force;	/* commits wait for the set */
	int			sync_standbys;	/* of the set, streaming */
	int			confirmed;		/* of the set, with all up to the marker asked about */
	bool		is_stopping;	/* to be a standby */
	bool		may_commit;
	bool		is_armed;
	int64_t		started_at;
	int64_t		term;
	int			owner;
	int64_t		fenced_term;
	FoTime		lease_until;
	int64_t		version;		/* of what it was told of its lease */
	FoTime		clock;
	int64_t		incarnation;
} Status;

typedef struct TimelineBegin
{
	uint32_t	timeline;
	int			begin;			/* position at which it forked off the one before */
} TimelineBegin;

typedef struct History
{
	int			n;
	TimelineBegin entries[HISTORY_MAX];
} History;

typedef struct Wal
{
	int			from;
	int			n;
	uint32_t	chain;			/* of everything before from: identifies that history */
	int			position;		/* WAL_ACK, RX_CONNECT: what the standby has */
	uint32_t	timeline;		/* RX_CONNECT */
	uint16_t	records[CHUNK_MAX];
} Wal;

typedef struct Message
{
	MessageKind kind;
	int			from;			/* hosts */
	int			to;
	int			session;
	int			seq;			/* within its direction of the session */
	FoErrorClass error;
	Heartbeat	heartbeat;
	union
	{
		Order		order;
		Status		status;
		Wal			wal;
		History		history;
	}			u;
} Message;

/* ---- events ---- */

typedef enum EventKind
{
	EV_MESSAGE = 1,
	/* of a server */
	EV_STARTED,					/* recovery has ended, or consistency is reached */
	EV_RECEIVER,				/* walreceiver: connect, or see that it hears nothing */
	EV_RECEIVER_STOP,			/* a reload takes effect */
	EV_SENDERS,					/* keepalives, timeouts */
	EV_PROMOTED,
	EV_WRITER,					/* a client begins to commit */
	EV_TXN_WRITE,
	EV_TXN_ACK,
	EV_RENEW,					/* a turn of the node worker */
	EV_STOPPING,				/* an orderly shutdown: have the standbys everything? */
	EV_RESTART,					/* the service manager */
	/* of a coordinator */
	EV_CHECK,
	EV_TASK,
	EV_JUDGE,
	EV_LEASE,					/* a step that waits for the end of a lease */
	EV_BOOT,
	/* of the world */
	EV_FAULT,
	EV_FAULT_END,
	EV_CONVERGED				/* has it? */
} EventKind;

typedef struct Event
{
	FoTime		at;
	uint32_t	order;			/* among events of one moment */
	EventKind	kind;
	int			host;			/* whose; -1 = the world's */
	int			boot;			/* of the process whose event it is; another one ignores it */
	int			a;
	int			b;
	int			message;		/* index; -1 = none */
} Event;

#endif							/* SIM_MESSAGE_H */
