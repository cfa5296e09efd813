/*-------------------------------------------------------------------------
 *
 * test_syncset.c
 *		Which standbys are to confirm commits, how that is written, and what a
 *		change of it leaves to be proven.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "core/candidate.h"
#include "core/syncset.h"
#include "scene.h"

static FoFinalPosition final[SCENE_PEERS];
static FoSyncSet set;

static void
compose(FoSyncMode mode, int wanted, int n, const char *const *names, const bool *is_member)
{
	FoSettings	settings;

	fo_core_settings_init(&settings);
	settings.sync_mode = mode;
	settings.sync_standbys = wanted;
	fo_core_sync_compose(&settings, n, names, is_member, &set);
}

static FoSyncFitness
fitness(int peer)
{
	const char *why;
	FoSyncFitness result = fo_core_sync_fitness(&group, peer, &why);

	CHECK(result == FO_SYNC_FIT || why[0] != '\0');
	return result;
}

/* A managed group whose primary is dead and whose standbys were frozen and read. */
static void
begin_managed(const char *names, const char *before)
{
	int			i;

	scene_begin();
	group.is_sync_managed = true;
	group.settings.sync_mode = FO_SYNC_QUORUM;
	fo_core_copy_text(group.sync_names, FO_SYNC_NAMES_LEN, names);
	fo_core_copy_text(group.sync_before, FO_SYNC_NAMES_LEN, before);
	fo_core_copy_text(peers[PG1].observed.sync_names, FO_SYNC_NAMES_LEN, names);
	for (i = 0; i < group.peers_n; i++)
	{
		final[i].is_known = i != PG1;
		final[i].timeline = peers[i].observed.timeline;
		final[i].lsn = peers[i].observed.lsn;
	}
}

static FoSyncProof
proof(void)
{
	return fo_core_sync_proof(&group, final);
}

TEST("sync set: quorum never asks for more confirmations than there are members")
{
	static const char *const names[] = {"a", "b", "c"};
	static const bool all[] = {true, true, true};
	static const bool one[] = {false, true, false};
	static const bool none[] = {false, false, false};

	compose(FO_SYNC_QUORUM, 2, 3, names, all);
	CHECK_TEXT(set.text, "ANY 2 (\"a\", \"b\", \"c\")");
	compose(FO_SYNC_QUORUM, 2, 3, names, one);
	CHECK_TEXT(set.text, "ANY 1 (\"b\")");
	compose(FO_SYNC_QUORUM, 2, 3, names, none);
	CHECK_TEXT(set.text, "");
	CHECK_INT(set.required, 0);
}

TEST("sync set: strict asks for what it was told to, also of nobody")
{
	static const char *const names[] = {"a", "b"};
	static const bool one[] = {true, false};
	static const bool none[] = {false, false};

	compose(FO_SYNC_STRICT, 2, 2, names, one);
	CHECK_TEXT(set.text, "ANY 2 (\"a\")");
	compose(FO_SYNC_STRICT, 1, 2, names, none);
	CHECK_TEXT(set.text, "ANY 1 (*)");
}

TEST("sync set: names are quoted, and a name that several standbys bear is written once")
{
	static const char *const names[] = {"15/main", "my \"odd\" name", "15/MAIN"};
	static const bool all[] = {true, true, true};

	compose(FO_SYNC_QUORUM, 3, 3, names, all);
	CHECK_TEXT(set.text, "ANY 3 (\"15/main\", \"my \"\"odd\"\" name\")");
	CHECK_INT(set.names_n, 2);
}

TEST("sync set: what is written is read back as it was meant, however many there are")
{
	char		text[70][FO_NAME_LEN];
	const char *names[70];
	bool		all[70];
	FoSyncNames read;
	int			round;
	int			i;

	for (round = 0; round < 200; round++)
	{
		int			n = 1 + unit_below(70);

		for (i = 0; i < n; i++)
		{
			int			length = 1 + unit_below(FO_NAME_LEN - 4);
			int			j;

			for (j = 0; j < length; j++)
				text[i][j] = (char) (' ' + 1 + unit_below(94));
			/* Different ones: the last two characters count. */
			text[i][length] = (char) ('0' + i / 10);
			text[i][length + 1] = (char) ('0' + i % 10);
			text[i][length + 2] = '\0';
			names[i] = text[i];
			all[i] = true;
		}
		compose(unit_one_in(2) ? FO_SYNC_QUORUM : FO_SYNC_STRICT, 1 + unit_below(8), n, names, all);
		CHECK(strlen(set.text) < FO_SYNC_NAMES_LEN - 1);
		fo_core_sync_parse(&read, set.text);
		CHECK_INT(read.method, FO_SYNC_NAMES_ANY);
		CHECK_INT(read.names_n, set.names_n);
		CHECK_INT(read.required, set.required);
		CHECK(set.is_cut || set.names_n == n);
		for (i = 0; i < read.names_n && !set.is_cut; i++)
			CHECK_TEXT(read.names[i], names[i]);
	}
}

TEST("sync set: only a standby that receives, and could take over, is fit")
{
	scene_begin();
	CHECK_INT(fitness(PG1), FO_SYNC_UNFIT);
	CHECK_INT(fitness(PG2), FO_SYNC_FIT);

	peers[PG2].observed.lsn -= INT64_C(17) * 1024 * 1024;
	CHECK_INT(fitness(PG2), FO_SYNC_BEHIND);

	scene_begin();
	fail(PG2, FO_ERROR_TIMEOUT, 3, 3);
	CHECK_INT(fitness(PG2), FO_SYNC_SILENT);
	fail(PG2, FO_ERROR_REFUSED, 3, 3);
	CHECK_INT(fitness(PG2), FO_SYNC_UNFIT);

	scene_begin();
	peers[PG2].observed.receiver = FO_RECEIVER_NONE;
	CHECK_INT(fitness(PG2), FO_SYNC_UNFIT);
	scene_begin();
	peers[PG2].received_at -= SECONDS(1);
	CHECK_INT(fitness(PG2), FO_SYNC_UNFIT);
	scene_begin();
	peers[PG2].is_promotable = false;
	CHECK_INT(fitness(PG2), FO_SYNC_UNFIT);
	scene_begin();
	peers[PG2].is_in_maintenance = true;
	CHECK_INT(fitness(PG2), FO_SYNC_UNFIT);
	scene_begin();
	peers[PG2].observed.is_replay_paused = true;
	CHECK_INT(fitness(PG2), FO_SYNC_UNFIT);
	scene_begin();
	strcpy(peers[PG2].observed.application_name, "caf\xC3\xA9");
	CHECK_INT(fitness(PG2), FO_SYNC_UNFIT);
	strcpy(peers[PG2].observed.application_name, "*");
	CHECK_INT(fitness(PG2), FO_SYNC_UNFIT);
}

TEST("sync set: while a change has not settled, both settings must be covered")
{
	begin_managed("ANY 1 (pg2)", "ANY 1 (pg2, pg3)");
	CHECK_INT(proof(), FO_SYNC_PROOF_COVERED);
	final[PG3].is_known = false;
	CHECK_INT(proof(), FO_SYNC_PROOF_UNCOVERED);

	/* Settled: the one that is left vouches for everything. */
	begin_managed("ANY 1 (pg2)", "ANY 1 (pg2)");
	final[PG3].is_known = false;
	CHECK_INT(proof(), FO_SYNC_PROOF_COVERED);

	/* It was put back, but what was acknowledged without it is not on it yet. */
	begin_managed("ANY 1 (pg2, pg3)", "ANY 1 (pg2)");
	final[PG2].is_known = false;
	CHECK_INT(proof(), FO_SYNC_PROOF_UNCOVERED);
}

TEST("sync set: a primary that went on alone has acknowledged what is nowhere else")
{
	FoCandidateOptions options = {.final = final,.target = -1};
	FoCandidate best;

	begin_managed("", "");
	CHECK_INT(proof(), FO_SYNC_PROOF_UNCOVERED);
	CHECK_INT(fo_core_best_candidate(&group, &options, &best), 0);
	begin_managed("ANY 1 (pg2, pg3)", "");
	CHECK_INT(proof(), FO_SYNC_PROOF_UNCOVERED);
	begin_managed("", "ANY 1 (pg2, pg3)");
	CHECK_INT(proof(), FO_SYNC_PROOF_UNCOVERED);

	group.settings.prefer = FO_PREFER_AVAILABILITY;
	CHECK_INT(fo_core_best_candidate(&group, &options, &best), 2);
}

TEST("sync set: the last setting that was seen counts where it is neither ours nor a fence")
{
	begin_managed("ANY 1 (pg2, pg3)", "ANY 1 (pg2, pg3)");
	strcpy(peers[PG1].observed.sync_names, "");
	CHECK_INT(proof(), FO_SYNC_PROOF_UNCOVERED);
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3, pg4)");
	CHECK_INT(proof(), FO_SYNC_PROOF_UNCOVERED);
	strcpy(peers[PG1].observed.sync_names, "FIRST 1 (" FO_SYNC_FENCE_NAME ")");
	CHECK_INT(proof(), FO_SYNC_PROOF_COVERED);

	/* An observation older than our intent takes nothing back. */
	begin_managed("ANY 1 (pg2)", "ANY 1 (pg2, pg3)");
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3)");
	final[PG3].is_known = false;
	CHECK_INT(proof(), FO_SYNC_PROOF_UNCOVERED);

	/* A primary that this coordinator never saw: what was written down is known all the same. */
	begin_managed("ANY 1 (pg2)", "ANY 1 (pg2)");
	memset(&peers[PG1].observed, 0, sizeof(peers[PG1].observed));
	final[PG3].is_known = false;
	CHECK_INT(proof(), FO_SYNC_PROOF_COVERED);
}

TEST("sync set: a standby of the former set that is ahead keeps another from being promoted")
{
	FoCandidateOptions options = {.final = final,.target = -1};
	FoCandidate best;

	begin_managed("ANY 1 (pg2)", "ANY 1 (pg2, pg3)");
	final[PG3].lsn += 100;
	peers[PG3].is_promotable = false;
	CHECK_INT(fo_core_best_candidate(&group, &options, &best), 0);
	peers[PG3].is_promotable = true;
	CHECK_INT(fo_core_best_candidate(&group, &options, &best), 1);
	CHECK_TEXT(peer_name(best.peer), "pg3");
}

typedef struct IntendCase
{
	const char *title;
	bool		is_managed;
	const char *names;
	const char *before;
	const char *observed;
	const char *wanted;
	const char *names_after;
	const char *before_after;
} IntendCase;

static const IntendCase intents[] = {
	{"first", false, "", "", "A", "B", "B", "A"},
	{"settled", true, "A", "A", "A", "B", "B", "A"},
	{"once more", true, "B", "A", "A", "B", "B", "A"},
	{"once more, in force", true, "B", "A", "B", "B", "B", "A"},
	{"back", true, "B", "A", "B", "A", "A", "B"},
	{"a third", true, "B", "A", "B", "C", "C", "ANY 1 (\"B\", \"A\")"},
	{"a third, of sets", true, "ANY 1 (pg2)", "ANY 2 (pg2, pg3)", "ANY 1 (pg2)", "ANY 1 (pg4)", "ANY 1 (pg4)", "ANY 1 (\"pg2\", \"pg3\")"},
	{"a third, and asynchronous before", true, "B", "", "B", "C", "C", ""},
	{"a third, not understood before", true, "B", "ANY (", "B", "C", "C", ""},
	{"a third, of everybody", true, "ANY 1 (*)", "B", "ANY 1 (*)", "C", "C", "ANY 1 (*)"},
	{"a fourth, the second still in force", true, "D", "ANY 1 (B, A)", "B", "E", "E", "ANY 1 (\"D\", \"B\", \"A\")"},
	{"one that asks for more, back to ours", true, "ANY 1 (A, B)", "ANY 1 (A, B)", "ANY 2 (A, B)", "ANY 1 (A, B)", "ANY 1 (A, B)", "ANY 1 (A, B)"},
	{"somebody else's, back to ours", true, "A", "A", "X", "A", "A", "X"},
	{"somebody else's, on to another", true, "A", "A", "X", "B", "B", ""},
	{"somebody else's while unsettled", true, "B", "A", "X", "B", "B", ""},
	{"none", true, "A", "A", "A", "", "", "A"},
};

TEST("sync set: an intent forgets no setting that commits may have been acknowledged under")
{
	size_t		i;

	for (i = 0; i < sizeof(intents) / sizeof(intents[0]); i++)
	{
		char		names[FO_SYNC_NAMES_LEN];
		char		before[FO_SYNC_NAMES_LEN];

		unit_context(intents[i].title);
		fo_core_copy_text(names, sizeof(names), intents[i].names);
		fo_core_copy_text(before, sizeof(before), intents[i].before);
		fo_core_sync_intend(intents[i].is_managed, names, before, intents[i].observed, intents[i].wanted);
		CHECK_TEXT(names, intents[i].names_after);
		CHECK_TEXT(before, intents[i].before_after);
	}
	unit_context("");
}

/* Are the standbys of that bit mask, of a to d, enough under the setting? */
static bool
is_covered(const char *setting, int heard)
{
	static const char *const members[] = {"a", "b", "c", "d"};
	bool		is_heard[4];
	FoSyncNames names;
	int			i;

	for (i = 0; i < 4; i++)
		is_heard[i] = (heard & (1 << i)) != 0;
	fo_core_sync_parse(&names, setting);
	return is_covered_by(&names, NULL, 4, members, is_heard);
}

TEST("sync set: what is enough after a third intent is enough under each setting before it")
{
	static const char *const settings[] = {
		"ANY 1 (a)", "ANY 1 (a, b)", "ANY 2 (a, b)", "ANY 1 (c, d)", "ANY 2 (b, c, d)", "FIRST 1 (d)", "FIRST 2 (a, c, d)", "ANY 1 (*)"
	};
	int			n = (int) (sizeof(settings) / sizeof(settings[0]));
	int			i;

	for (i = 0; i < n * n * 16; i++)
	{
		const char *before_that = settings[i / 16 / n];
		const char *present = settings[i / 16 % n];
		char		names[FO_SYNC_NAMES_LEN];
		char		before[FO_SYNC_NAMES_LEN];
		int			heard = i % 16;

		fo_core_copy_text(names, sizeof(names), present);
		fo_core_copy_text(before, sizeof(before), before_that);
		fo_core_sync_intend(true, names, before, present, "ANY 1 (e)");
		CHECK(!is_covered(before, heard) || (is_covered(present, heard) && is_covered(before_that, heard)));
		if (heard == 15)
			CHECK(is_covered(before, heard));
	}
}
