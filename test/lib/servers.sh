# servers.sh - local servers for the demo and the benchmark
#
# Sourced after common.sh, once as_user, bindir and work are set.  Servers live
# in $work/<name>, listen on 127.0.0.1 and on a socket in $work, and are run by
# the unprivileged user.  stop_servers ends all of them, whatever state they are
# in; callers have it in their EXIT trap.

declare -A port					# by server name
declare -A address				# likewise; 127.0.0.1 where there is none
declare -A host_of				# likewise; words that run a command on the server's host, where that is another
superuser=postgres				# of every server

# Below the range that outgoing connections get their ports from, which could take it meanwhile.
free_port()
{
	perl -MIO::Socket::INET -e '
		for (1 .. 1000) {
			my $port = 10200 + int(rand(22000));
			my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => $port) or next;
			print $port;
			exit;
		}'
}

# Let a moment pass between two looks at a condition.
tick()
{
	read -rt "${1:-0.05}" <> <(:) || true
}

as()
{
	"${as_user[@]}" "$@"
}

conninfo()
{
	echo "host=${address[$1]:-127.0.0.1} port=${port[$1]} user=$superuser dbname=postgres"
}

# One string for clients: every server given, whoever of them takes writes.
write_conninfo()
{
	local hosts='' ports='' name

	for name
	do
		hosts+=",${address[$name]:-127.0.0.1}" ports+=",${port[$name]}"
	done
	echo "host=${hosts#,} port=${ports#,} user=$superuser dbname=postgres target_session_attrs=read-write connect_timeout=2"
}

# sql SERVER QUERY [PSQL OPTION...]: unaligned answer; not a client's, whom a server may send on
sql()
{
	local name=$1 query=$2

	shift 2
	as env PGAPPNAME='failover test' "$bindir/psql" -XqAt -v ON_ERROR_STOP=1 -h "$work" -p "${port[$name]}" -U $superuser -d postgres "$@" -c "$query"
}

# wait_sql SERVER QUERY [SECONDS]: until the answer is t
wait_sql()
{
	local deadline=$((SECONDS + ${3:-60}))

	until [ "$(sql "$1" "$2" 2>/dev/null)" = t ]
	do
		[ $SECONDS -lt $deadline ] || return 1
		tick
	done
}

# Settings that every server here has; more on standard input.
server_conf()
{
	cat <<-EOF
		listen_addresses = '127.0.0.1'
		port = ${port[$1]}
		unix_socket_directories = '$work'
		max_connections = 50
		shared_buffers = 16MB
		wal_log_hints = on
		log_line_prefix = '%m [%p] %a '
	EOF
	cat
}

# init_server NAME <settings
init_server()
{
	port[$1]=$(free_port)
	as "$bindir/initdb" -D "$work/$1" -U $superuser -A trust -E UTF8 --no-locale --no-sync >"$work/$1.init" || return 1
	server_conf "$1" | as tee -a "$work/$1/postgresql.conf" >/dev/null
}

# init_standby NAME PRIMARY <settings
init_standby()
{
	port[$1]=$(free_port)
	as "$bindir/pg_basebackup" -D "$work/$1" -h "$work" -p "${port[$2]}" -U $superuser -c fast --no-sync || return 1
	{
		server_conf "$1"
		echo "primary_conninfo = 'host=127.0.0.1 port=${port[$2]} user=$superuser application_name=$1'"
	} | as tee -a "$work/$1/postgresql.conf" >/dev/null
	as touch "$work/$1/standby.signal"
}

# pg_ctl has a word for the pid file that a killed server leaves; everything else that it says is shown.
start_server()
{
	# shellcheck disable=SC2086
	${host_of[$1]:-} "${as_user[@]}" "$bindir/pg_ctl" -s -w -D "$work/$1" -l "$work/$1.log" start \
		2> >(grep -v 'another server might be running' >&2) || { tail -20 "$work/$1.log" >&2; return 1; }
}

postmaster_pid()
{
	head -1 "$work/$1/postmaster.pid" 2>/dev/null
}

# All processes of a server, the postmaster first.
server_pids()
{
	local pid stat

	pid=$(postmaster_pid "$1") || return
	echo "$pid"
	sed -nE "s/^([0-9]+) \(.*\) . $pid .*/\1/p" /proc/[0-9]*/stat 2>/dev/null
}

# The processes that send WAL.
walsenders()
{
	local pid

	for pid in $(server_pids "$1")
	do
		! tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q walsender || echo "$pid"
	done
}

# freeze_server NAME: SIGSTOP to all of its processes.  Prints the time, in microseconds, at which it was done.
freeze_server()
{
	kill -STOP "$(postmaster_pid "$1")"
	# shellcheck disable=SC2046
	kill -STOP $(server_pids "$1")
	echo "${EPOCHREALTIME/./}"
}

# The postmaster last: it must not see its children in disorder.
thaw_server()
{
	# shellcheck disable=SC2046
	kill -CONT $(server_pids "$1" | tac)
}

# kill_server NAME: SIGKILL to all of its processes.  Prints the time, in microseconds, at which it was done.
kill_server()
{
	local pids

	# A stopped postmaster forks nobody that would be missing from the list.
	kill -STOP "$(postmaster_pid "$1")"
	pids=$(server_pids "$1")
	echo "${EPOCHREALTIME/./}"
	# shellcheck disable=SC2086
	kill -KILL $pids
}

# Until nothing of the killed server is left: see the pid's end, not only the process's.
# Process 1 of a container may reap nobody.  A zombie has nothing of the server
# any more, but its pid in the lock files would keep the next one from starting.
wait_killed()
{
	local pid deadline=$((SECONDS + 10))

	pid=$(postmaster_pid "$1")
	while [ -e "/proc/$pid" ]
	do
		if [ $SECONDS -ge $deadline ] && grep -q '^State:.*zombie' "/proc/$pid/status" 2>/dev/null
		then
			as rm -f "$work/$1/postmaster.pid" "$work/.s.PGSQL.${port[$1]}.lock"
			return
		fi
		tick
	done
}

stop_servers()
{
	local name pid

	for name in "${!port[@]}"
	do
		pid=$(postmaster_pid "$name")
		[ -n "$pid" ] && [ -e "/proc/$pid" ] || continue
		kill -CONT "$pid" 2>/dev/null
		as "$bindir/pg_ctl" -s -D "$work/$name" -m immediate -t 20 stop >/dev/null 2>&1 || true
	done
}

# start_writer RECORD SECONDS WRITERS SERVER...: in the background; its pid is in writer_pid
start_writer()
{
	local record=$1 seconds=$2 writers=$3

	shift 3
	"${as_user[@]}" "$work/src/test/lib/writer" -o "$record" -t "$seconds" -w "$writers" "$(write_conninfo "$@")" 2>"$record.err" &
	writer_pid=$!
}

stop_writer()
{
	[ -n "${writer_pid:-}" ] || return 0
	kill -TERM "$writer_pid" 2>/dev/null
	wait "$writer_pid" 2>/dev/null
	writer_pid=
}

# wait_acks RECORD N: until the record holds so many acknowledgements
wait_acks()
{
	local deadline=$((SECONDS + 60)) n

	until n=$(grep -c '^a' "$1" 2>/dev/null) && [ "${n:-0}" -ge "$2" ]
	do
		[ $SECONDS -lt $deadline ] || return 1
		tick
	done
}
