/*-------------------------------------------------------------------------
 *
 * session.h
 *		What every session with a peer begins with, whatever the peer's
 *		configuration, its database or our role there has as a default.
 *
 * Included by whoever opens links.  default_transaction_read_only is left alone:
 * it is what a fence sets and a check reads, and forbids nothing that is done in
 * our sessions.  default_transaction_deferrable means nothing without serializable.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NET_SESSION_H
#define FO_NET_SESSION_H

/*
 * First in a setup, alone or with more behind it in the same string.
 *
 * A standby refuses what needs a snapshot under serializable; a string is one
 * transaction, begun with the default, so that its own level comes first.  SET
 * needs no snapshot.
 * A session may be idle for long.  An unknown setting cannot be set:
 * idle_session_timeout exists since 14, transaction_timeout since 17.
 * jit: where a kind of join is disabled every plan looks expensive enough to be
 * compiled, which takes the better part of a second, in each check.
 * standard_conforming_strings: what we quote, and patterns with a backslash.
 */
#define FO_NET_SESSION \
	"SET TRANSACTION ISOLATION LEVEL READ COMMITTED;" \
	" SET default_transaction_isolation = 'read committed';" \
	" SET search_path = '';" \
	" SET synchronous_commit = local;" \
	" SET standard_conforming_strings = on;" \
	" SET jit = off;" \
	" SET statement_timeout = 0;" \
	" SET lock_timeout = 0;" \
	" SET idle_in_transaction_session_timeout = 0;" \
	" SELECT set_config(s.name, '0', false) FROM (VALUES ('idle_session_timeout'), ('transaction_timeout')) s (name)" \
	" WHERE current_setting(s.name, true) IS NOT NULL"

#endif							/* FO_NET_SESSION_H */
