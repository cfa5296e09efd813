# failover: a PostgreSQL extension that keeps other PostgreSQL servers available
#
#   make, make install, make installcheck   as for any PGXS extension
#   make check      build and run every test, from nothing (installs what it needs)
#   make demo       watch a primary being killed and replaced, from nothing
#   make bench      measure outages and costs, as ratios within one run
#   make sim        simulate failovers without a server; SEEDS=1000000 FIRST=1 for more or others
#   make chaos      random faults on real servers, from nothing (MINUTES=120 SEED=1 SYNC=quorum)
#
# check, demo, bench and chaos may start on a machine without PostgreSQL, so PGXS is
# not loaded for them (and PGXS would reserve "check" for itself).

ifneq (,$(filter check demo bench chaos lint unit sim,$(MAKECMDGOALS)))

.PHONY: check demo bench chaos lint unit sim

check:
	@test/check
demo:
	@test/demo/demo
bench:
	@test/bench/bench
chaos:
	@test/chaos/run $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SYNC),--sync $(SYNC))
lint:
	@test/lint
unit:
	@test/unit/run
sim:
	@test/sim/run $(SEEDS) $(FIRST)

else

MODULE_big = failover
EXTENSION = failover
DATA = $(sort $(wildcard sql/failover--*.sql))
DOCS = $(sort $(wildcard doc/*.md))
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
PGFILEDESC = "failover - high availability driven by SQL"

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --outputdir=test/output --encoding=UTF8 --no-locale \
	--temp-instance=$(REGRESS_INSTANCE) --temp-config=test/regress.conf $(EXTRA_REGRESS_OPTS)
REGRESS_INSTANCE ?= $(CURDIR)/test/output/instance
EXTRA_CLEAN = test/output test/unit/build test/sim/build $(wildcard src/*/*.gcno src/*/*.gcda)

PG_CONFIG ?= pg_config
PG_CPPFLAGS = -I$(srcdir)/src -I$(libpq_srcdir)
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wno-cast-function-type $(COPT_WERROR)
SHLIB_LINK = $(libpq) -lcares

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): $(wildcard src/*.h src/*/*.h)

endif
