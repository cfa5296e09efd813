/*-------------------------------------------------------------------------
 *
 * survey.h
 *		The questions behind failover_preflight: what a peer says of itself when
 *		somebody wants to know.  Asked with one statement, as rows of a name and
 *		a value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NET_SURVEY_H
#define FO_NET_SURVEY_H

#include "core/preflight.h"
#include "net/link.h"

/* Ask. */
extern void fo_net_survey_call(FoLink *link, int64 timeout_ms, FoCallCallback callback, void *arg);

/* Read the answer.  What cannot be read stays unknown. */
extern void fo_net_survey_read(const PGresult *result, FoTime now, FoPeerFacts *facts);

#endif							/* FO_NET_SURVEY_H */
