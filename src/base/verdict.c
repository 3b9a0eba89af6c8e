/* verdict.c - names and texts of the drop reasons, from the one table. */
#include "sixgate/base/verdict.h"
#include "sixgate/base/must.h"

static const struct {
	const char *name, *help;
} reasons[] = {
#define _(id, name, help) [DROP_##id] = { name, help },
	DROP_REASONS(_)
#undef _
};
_Static_assert(ARRAY_LEN(reasons) == DROP_N_REASONS, "every drop reason has a name");

const char *drop_reason_name(enum drop_reason why)
{
	must(why < DROP_N_REASONS);
	return reasons[why].name;
}

const char *drop_reason_help(enum drop_reason why)
{
	must(why < DROP_N_REASONS);
	return reasons[why].help;
}
