# common.sh - what test/setup, test/check, test/demo and test/bench share
#
# Sourced by bash scripts.  Finds PostgreSQL, chooses the unprivileged user,
# copies the checkout to a work directory of that user and builds it there, so
# that a checkout in /root, or one owned by somebody else, works as well and is
# left as it was.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# One locale for everything: UTF-8 databases also where LANG is unset.
unset LC_ALL LANGUAGE
export LANG=C.UTF-8

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]
then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' blue=$'\e[36m' plain=$'\e[0m'
else
	bold='' dim='' red='' green='' yellow='' blue='' plain=''
fi

say()
{
	printf '%s\n' "${blue}==${plain} $*"
}

die()
{
	printf '%s\n' "${red}error:${plain} $*" >&2
	exit 1
}

# complete_postgres PG_CONFIG: is everything there that we need?  If not, postgres_lacks says what.
complete_postgres()
{
	local bin

	postgres_lacks="no such program"
	bin=$("$1" --bindir 2>/dev/null) || return 1
	pgxs=$("$1" --pgxs)
	perl_lib=${pgxs%/makefiles/pgxs.mk}/test/perl
	for file in "$bin/postgres" "$bin/initdb" "$pgxs" "${pgxs%/makefiles/pgxs.mk}/test/regress/pg_regress" \
		"$perl_lib/PostgreSQL/Test/Cluster.pm" "$("$1" --includedir)/libpq-fe.h" \
		"$("$1" --includedir-server)/postgres.h"
	do
		postgres_lacks="$file is missing"
		[ -e "$file" ] || return 1
	done
	bindir=$bin
	pg_config=$1
	postgres_lacks=
}

# Sets pg_config, bindir, pgxs, perl_lib; false if there is no complete PostgreSQL 15 or later.
find_postgres()
{
	local candidate

	if [ -n "${PG_CONFIG:-}" ]
	then
		candidate=$(command -v "$PG_CONFIG") || candidate=$PG_CONFIG
		complete_postgres "$candidate"
		return
	fi
	for candidate in $(printf '%s\n' /usr/lib/postgresql/*/bin/pg_config | sort -Vr) "$(command -v pg_config || true)"
	do
		[ -x "$candidate" ] || continue
		[[ $("$candidate" --version) =~ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 15 ] || continue
		complete_postgres "$candidate" && return
	done
	return 1
}

# The user who runs servers (they refuse root): postgres when we are root, else ourselves.
choose_user()
{
	if [ "$(id -u)" = 0 ]
	then
		user=postgres
		as_user=(setpriv --reuid=postgres --regid="$(id -g postgres)" --init-groups env HOME=/tmp USER=postgres LOGNAME=postgres)
	else
		user=$(id -un)
		as_user=(env)
	fi
}

# Makes a work directory of that user, with a copy of the checkout in src/, and
# goes there: where we come from, in /root say, that user may have no business.
# Short, because socket paths are limited to 107 bytes.
make_work()
{
	work=$(mktemp -d "${TMPDIR:-/tmp}/failover-$1.XXXXXX")
	mkdir "$work/src"
	tar -C "$root" --exclude=.git --exclude='*.o' --exclude='*.so' --exclude='*.bc' \
		--exclude=./test/output --exclude='./test/*/build' -cf - . | tar -C "$work/src" -xf -
	if [ "$(id -u)" = 0 ]
	then
		chown -R "$user:" "$work"
	fi
	chmod 755 "$work"
	cd "$work" && work=$PWD
}

# Builds in src/ and installs into stage/; writes stage.conf, with which a server finds it there.
build_stage()
{
	local library

	"${as_user[@]}" make -C "$work/src" -j2 -s PG_CONFIG="$pg_config" with_llvm=no COPT_WERROR="${1:-}" &&
		"${as_user[@]}" make -C "$work/src" -s install PG_CONFIG="$pg_config" with_llvm=no DESTDIR="$work/stage" &&
		"${as_user[@]}" make -C "$work/src/test/lib" -s PG_CONFIG="$pg_config" || return 1

	library="dynamic_library_path = '$work/stage$("$pg_config" --pkglibdir):\$libdir'"
	case $("$pg_config" --version) in
		*' 1'[567]*)
			# Debian's own parameter, as is the patch that reads it.
			echo "extension_destdir = '$work/stage'" ;;
		*)
			echo "extension_control_path = '$work/stage$("$pg_config" --sharedir):\$system'" ;;
	esac >"$work/stage.conf"
	echo "$library" >>"$work/stage.conf"
	chmod 644 "$work/stage.conf"
}
