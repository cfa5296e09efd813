/*-------------------------------------------------------------------------
 *
 * refusals.h
 *		Why something that somebody wishes is not done, as he is to hear it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_REFUSALS_H
#define FO_COORDINATOR_REFUSALS_H

#include "coordinator/world.h"
#include "shared/shared.h"

typedef struct FoRefusal
{
	int			sqlstate;
	bool		is_moot;		/* it is so already: trying again later would be wrong */
	bool		is_early;		/* what it depends on is being found out: try again at once */
	char		error[FO_ERROR_LEN];
	char		detail[FO_DETAIL_LEN];
	char		hint[FO_ERROR_LEN];
} FoRefusal;

/*
 * 55000: the group is not in the state that this needs.  detail says what is
 * known of that, hint what the caller can do about it with the function that he
 * has called, or another one.  Always false.
 */
extern bool fo_coordinator_refuse(FoRefusal *refusal, const char *detail, const char *hint,
								  const char *format,...) pg_attribute_printf(4, 5);

/* The usual ones.  Always false. */
extern bool fo_coordinator_refuse_unknown(FoRefusal *refusal, const FoGroup *group, const char *peer_name);
extern bool fo_coordinator_refuse_running(FoRefusal *refusal, const FoGroup *group);
extern bool fo_coordinator_refuse_paused(FoRefusal *refusal, const FoGroup *group);

/* with_force: what the caller has to do to override it; NULL = he had better not. */
extern bool fo_coordinator_refuse_blocked(FoRefusal *refusal, const FoGroup *group, const char *with_force);

/* target may be NULL: nobody can be promoted, for the reasons in why. */
extern bool fo_coordinator_refuse_nobody(FoRefusal *refusal, const FoGroup *group, const FoPeer *target, const char *why);

/* Of a peer that does not answer: what was the matter when it was tried last.  Palloc'd. */
extern char *fo_coordinator_explain_silence(const FoPeer *peer);

#endif							/* FO_COORDINATOR_REFUSALS_H */
