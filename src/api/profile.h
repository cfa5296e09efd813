/*-------------------------------------------------------------------------
 *
 * profile.h
 *		Named sets of settings, for failover_apply_profile.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_API_PROFILE_H
#define FO_API_PROFILE_H

typedef struct FoProfileSetting
{
	const char *name;
	const char *value;
} FoProfileSetting;

typedef struct FoProfile
{
	const char *name;
	const FoProfileSetting *settings;
	int			settings_n;
} FoProfile;

/* NULL if there is none of that name. */
extern const FoProfile *fo_api_profile_find(const char *name);

/* All names, separated by commas; palloc'd. */
extern char *fo_api_profile_names(void);

#endif							/* FO_API_PROFILE_H */
